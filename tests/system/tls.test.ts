/** The API over TCP, with certificates of both sides, by flags and by contexts. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { freePort, missing, system, type ClientName } from './harness.ts'

const port = await freePort()

/** A CA, another one, and what they sign. */
function certificates(place: string): void {
  mkdirSync(place, { recursive: true })
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: place, stdio: 'pipe' })
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
  ]
  for (const ca of ['ca', 'alien-ca'])
    openssl('req', '-x509', ...key(ca), '-out', `${ca}.pem`, '-days', '2', '-subj', `/CN=${ca}`)
  for (const [name, ca, use, days] of [
    ['server', 'ca', 'serverAuth\nsubjectAltName=IP:127.0.0.1', '2'],
    ['client', 'ca', 'clientAuth', '2'],
    ['alien', 'alien-ca', 'clientAuth', '2'],
    ['late', 'ca', 'clientAuth', '-1'],
  ] as const) {
    openssl('req', ...key(name), '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    writeFileSync(join(place, 'extensions'), `extendedKeyUsage=${use}\n`)
    const signed = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', 'extensions']
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-days', days, '-out', `${name}.pem`)
  }
}

suite('the API over TLS', () => {
  const s = system('gantry', { flags: [`--host=tcp://127.0.0.1:${port}`, '--tlsverify'] })
  const { daemon } = s
  const place = join(daemon.home, 'certificates')
  const file = (name: string) => join(place, name)
  certificates(place)
  daemon.flags.push(
    `--tlscacert=${file('ca.pem')}`,
    `--tlscert=${file('server.pem')}`,
    `--tlskey=${file('server.key')}`,
  )
  after(() => rmSync(place, { recursive: true, force: true }))
  const host = `tcp://127.0.0.1:${port}`
  const flags = (ca: string, client: string) =>
    `-H ${host} --tlsverify --tlscacert ${file(ca)}.pem --tlscert ${file(client)}.pem --tlskey ${file(client)}.key`.split(
      ' ',
    )

  test('whoever has a certificate of the CA works as at home', async () => {
    assert.equal(await s.ok(...flags('ca', 'client'), 'run', '--rm', 'busybox', 'echo', 'far'), 'far')
  })

  test('all others are refused, and told what to look at', async () => {
    const refused = (text: RegExp, ...args: string[]) => s.fails(1, text, ...args, 'ps')
    const unknown = /tls: failed to verify certificate: x509: certificate signed by unknown authority/
    await refused(unknown, ...flags('alien-ca', 'client'))
    const closed = /closed the connection: it may not accept the client certificate/
    await refused(closed, ...flags('ca', 'late'))
    await refused(/client certificate/, ...flags('ca', 'alien'))
    await refused(/closed the connection: it may want TLS/, '-H', host)
    const mixed = flags('ca', 'client').with(-1, file('late.key'))
    await refused(/tls: private key does not match public key/, ...mixed)
  })

  test('version prints what it knows, and the reason', async () => {
    const { stdout, stderr, code } = await s.run(['-H', host, 'version', '--format', '{{.Server.Version}}'])
    assert.deepEqual([code, stdout], [1, '\n'])
    assert.match(stderr, /may want TLS/)
  })

  for (const client of ['gantry', 'docker'] satisfies ClientName[])
    test(
      `a context that ${client} exports works where the other one imports it`,
      { skip: missing('docker') },
      async () => {
        const config = { DOCKER_CONFIG: join(place, client), GANTRY_HOST: '', DOCKER_HOST: '' }
        const by = (program: string, ...args: string[]) =>
          execFileSync(program === 'gantry' ? (s.argv([])[0] ?? '') : program, args, {
            env: { ...daemon.environment(), ...config },
            cwd: place,
            encoding: 'utf8',
            stdio: 'pipe',
          }).trim()
        const other = client === 'gantry' ? 'docker' : 'gantry'
        const endpoint = `host=${host},ca=${file('ca.pem')},cert=${file('client.pem')},key=${file('client.key')}`
        by(client, 'context', 'create', 'far', '--docker', endpoint)
        by(client, 'context', 'export', 'far', `${client}.tar`)
        by(other, 'context', 'import', 'near', `${client}.tar`)
        for (const each of [client, other])
          assert.match(by(each, '--context', 'near', 'version', '--format', '{{.Server.Version}}'), /^\d/)
        const bare = `host=${host},ca=${file('ca.pem')}`
        by(client, 'context', 'create', 'bare', '--docker', bare)
        assert.throws(() => by('gantry', '--context', 'bare', 'ps'), /tls: certificate required/)
      },
    )
})
