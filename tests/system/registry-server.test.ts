/** The registry server with the clients in use: gantry, docker, skopeo, podman and oras, where they are. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFauxS3 } from '../../src/distribution/fauxqs-testing.ts'
import { digestOf } from '../../src/lib/digest.ts'
import { dockerArchive } from './archives.ts'
import { busyboxTar, command, eventually, freePort, missing, root, Session, system } from './harness.ts'
import { get, missingProgram, putBlob, RegistryServer, succeeds } from './registry-server.ts'

const home = mkdtempSync('/tmp/gr-')
after(() => rmSync(home, { recursive: true, force: true }))
const place = (name: string) => join(home, name)
const file = (name: string, text: string) => {
  writeFileSync(place(name), text)
  return place(name)
}

const ok = (argv: string[], o: { env?: Record<string, string> } = {}) =>
  succeeds(argv, { HOME: home, XDG_RUNTIME_DIR: place('run'), ...o.env })

describe('a registry of files', () => {
  const s = system()
  let server: RegistryServer
  before(async () => {
    server = await RegistryServer.start(`--storage=${place('files')}`)
  })
  after(() => server.stop())

  test('gantry pushes, and pulls after the server was killed', async () => {
    const name = `${server.host}/team/app:v1`
    await s.ok('tag', 'busybox', name)
    assert.match(await s.ok('push', name), /v1: digest: sha256:\w+ size: \d+$/)
    const id = await s.ok('images', '-q', '--no-trunc', name)
    await s.ok('rmi', '-f', name)
    await server.kill()
    server = await server.again()
    await s.ok('pull', '-q', name)
    assert.equal(await s.ok('images', '-q', '--no-trunc', name), id)
    assert.equal(await s.ok('run', '--rm', name, 'echo', 'here'), 'here')
    assert.deepEqual(JSON.parse((await get(`${server.url}/v2/team/app/tags/list`)).text), {
      name: 'team/app',
      tags: ['v1'],
    })
  })

  test('a second server on the same storage is refused', async () => {
    await assert.rejects(
      RegistryServer.start(`--storage=${place('files')}`),
      new RegExp(`Cannot open the registry's storage ${place('files')}: process ${server.pid} uses it`),
    )
  })

  test('docker pushes and pulls', { skip: missing('docker') }, async () => {
    const docker = new Session('docker', s.daemon)
    const name = `${server.host}/docker/app`
    await docker.ok('tag', 'busybox', name)
    await docker.ok('push', '-q', name)
    await docker.ok('rmi', name)
    await docker.ok('pull', '-q', name)
    await docker.ok('manifest', 'inspect', '--insecure', name)
  })

  // Where a real dockerd is at hand: GANTRY_TEST_DOCKERD=unix:///var/run/docker.sock
  const dockerd = process.env['GANTRY_TEST_DOCKERD']
  test(
    'a real dockerd pushes and pulls',
    { skip: dockerd === undefined && 'no GANTRY_TEST_DOCKERD' },
    async () => {
      const env = { DOCKER_HOST: dockerd ?? '' }
      const name = `${server.host}/dockerd/app:${randomBytes(4).toString('hex')}`
      const tarball = place('dockerd.tar')
      writeFileSync(tarball, await dockerArchive({ layers: [await busyboxTar()], tags: [name], config: {} }))
      await ok(['docker', 'load', '-q', '-i', tarball], { env })
      await ok(['docker', 'push', '-q', name], { env })
      await ok(['docker', 'rmi', '-f', name], { env })
      await ok(['docker', 'pull', '-q', name], { env })
      await ok(['docker', 'rmi', '-f', name], { env })
    },
  )

  test('skopeo copies, lists and deletes', { skip: missingProgram('skopeo') }, async () => {
    const tarball = place('skopeo.tar')
    const layers = [await busyboxTar()]
    writeFileSync(tarball, await dockerArchive({ layers, tags: ['app:1'], config: {} }))
    const name = `docker://${server.host}/skopeo/app`
    const copy = ['skopeo', 'copy', '--insecure-policy', '--quiet']
    for (const [tag, format] of Object.entries({ v2: 'v2s2', oci: 'oci' }))
      await ok([
        ...copy,
        `--format=${format}`,
        '--dest-tls-verify=false',
        `docker-archive:${tarball}`,
        `${name}:${tag}`,
      ])
    const listed = await ok(['skopeo', 'list-tags', '--tls-verify=false', name])
    assert.deepEqual((JSON.parse(listed) as { Tags: string[] }).Tags, ['oci', 'v2'])
    await ok([...copy, '--src-tls-verify=false', `${name}:oci`, `dir:${place('skopeo')}`])
    assert.ok(readdirSync(place('skopeo')).includes('manifest.json'))
    await ok(['skopeo', 'delete', '--tls-verify=false', `${name}:v2`])
    const left = await ok(['skopeo', 'list-tags', '--tls-verify=false', name])
    assert.deepEqual((JSON.parse(left) as { Tags: string[] }).Tags, ['oci'])
    // From repository to repository: skopeo mounts the blobs.
    const both = ['--src-tls-verify=false', '--dest-tls-verify=false']
    await ok([...copy, ...both, `${name}:oci`, `docker://${server.host}/skopeo/other:1`])
  })

  test('podman pushes and pulls', { skip: missingProgram('podman') }, async () => {
    const own = ['--root', place('podman'), '--runroot', place('podman-run'), '--storage-driver', 'vfs']
    const podman = (...argv: string[]) => ok(['podman', ...own, ...argv])
    const policy = [
      '--signature-policy',
      file('policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}'),
    ]
    const name = `${server.host}/podman/app:1`
    const tarball = place('podman.tar')
    writeFileSync(tarball, await dockerArchive({ layers: [await busyboxTar()], tags: [name], config: {} }))
    await podman('load', '-q', ...policy, '-i', tarball)
    await podman('push', '-q', '--tls-verify=false', ...policy, name)
    await podman('rmi', '-f', name)
    await podman('pull', '-q', '--tls-verify=false', ...policy, name)
    await podman('rmi', '-f', name)
  })

  test('oras pushes artifacts, attaches, discovers and pulls', { skip: missingProgram('oras') }, async () => {
    const name = `${server.host}/oras/thing:1`
    file('note.txt', 'a note')
    file('bill.txt', 'a bill')
    const oras = (...argv: string[]) => ok(['env', '-C', home, 'oras', ...argv])
    await oras('push', '--plain-http', name, 'note.txt:text/plain')
    await oras('attach', '--plain-http', '--artifact-type', 'test/bill', name, 'bill.txt:text/plain')
    assert.match(await oras('discover', '--plain-http', name), /test\/bill/)
    await oras('pull', '--plain-http', '-o', place('oras'), name)
    assert.deepEqual(readdirSync(place('oras')), ['note.txt'])
    assert.equal(await oras('repo', 'tags', '--plain-http', `${server.host}/oras/thing`), '1')
  })

  test('health, readiness and metrics', async () => {
    assert.deepEqual((await get(`${server.url}/healthz`)).text, 'ok\n')
    assert.deepEqual((await get(`${server.url}/readyz`)).status, 200)
    const { text, headers } = await get(`${server.url}/metrics`)
    assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(text, /^gantry_registry_requests_total\{method="PUT",target="manifest",status="201"\} \d+$/m)
    assert.match(text, /^gantry_registry_connections [1-9]/m)
    assert.match(text, /^process_resident_memory_bytes \d{7,}$/m)
  })

  test('stopping lets what is under way end', async () => {
    const data = randomBytes(1 << 20)
    const begun = await get(`${server.url}/v2/late/app/blobs/uploads/`, { method: 'POST' })
    const location = new URL(begun.headers.get('location') ?? '', server.url)
    location.searchParams.set('digest', digestOf(data))
    const socket = createConnection(Number(location.port), location.hostname)
    let answer = ''
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.write(
      `PUT ${location.pathname}${location.search} HTTP/1.1\r\nHost: x\r\nContent-Length: ${data.length}\r\n\r\n`,
    )
    socket.write(data.subarray(0, 1000))
    await sleep(100)
    const stopped = server.stop()
    await sleep(100)
    await assert.rejects(get(`${server.url}/v2/`))
    socket.write(data.subarray(1000))
    await eventually(() => assert.match(answer, /^HTTP\/1\.1 201 /))
    socket.destroy()
    const { code, stderr } = await stopped
    assert.equal(code, 0)
    assert.match(stderr, /"signal":"SIGTERM","msg":"stopping".*"msg":"stopped"/s)
    server = await server.again()
    const found = await get(`${server.url}/v2/late/app/blobs/${digestOf(data)}`, { method: 'HEAD' })
    assert.equal(found.status, 200)
  })
})

describe('a registry in S3', () => {
  const s = system()

  test('the same server, its images in a bucket', async () => {
    const s3 = await startFauxS3()
    const { endpoint, bucket } = s3.settings
    const { accessKeyId, secretAccessKey } = await s3.settings.credentials()
    const keys = `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`
    const flags = [
      `--storage=s3://${bucket}/some/where`,
      `--state=${place('s3-state')}`,
      `--s3-endpoint=${endpoint.origin}`,
      `--s3-credentials=${file('s3-keys', keys)}`,
    ]
    let server = await RegistryServer.start(...flags)
    const name = `${server.host}/team/app:v1`
    await s.ok('tag', 'busybox', name)
    await s.ok('push', '-q', name)
    const id = await s.ok('images', '-q', '--no-trunc', name)
    await s.ok('rmi', '-f', name)
    await assert.rejects(RegistryServer.start(...flags), /state .* process \d+ uses it/)
    await server.kill()
    server = await server.again()
    await s.ok('pull', '-q', name)
    assert.equal(await s.ok('images', '-q', '--no-trunc', name), id)
    assert.equal((await get(`${server.url}/readyz`)).status, 200)
    await s3[Symbol.asyncDispose]()
    await eventually(async () => assert.equal((await get(`${server.url}/readyz`)).status, 503))
    assert.equal((await get(`${server.url}/healthz`)).status, 200)
    const { stderr } = await server.stop()
    assert.ok(!stderr.includes(secretAccessKey) && !stderr.includes(accessKeyId), stderr)
    assert.deepEqual(readdirSync(place('s3-state/uploads')), [])
  })
})

test('what is deleted gives its space back while the server runs', async () => {
  const storage = place('collected')
  const rules = { rules: [{ repositories: ['old/*'], keepLast: 1, removeUntagged: '1s' }] }
  const server = await RegistryServer.start(
    `--storage=${storage}`,
    '--gc-interval=1s',
    '--gc-grace=1s',
    `--retention=${file('retention.json', JSON.stringify(rules))}`,
  )
  try {
    const data = randomBytes(1 << 20)
    const config = Buffer.from('{}')
    for (const blob of [data, config])
      assert.equal(await putBlob(server, 'a', { data: blob, digest: digestOf(blob) }), 201)
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: 2 },
      layers: [{ mediaType: 'application/octet-stream', digest: digestOf(data), size: data.length }],
    })
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
    const at = `${server.url}/v2/a/manifests`
    assert.equal((await get(`${at}/v1`, { method: 'PUT', body: manifest, headers })).status, 201)
    const directory = join(storage, 'objects/blobs')
    const size = () => {
      // It goes with its last file.
      if (!existsSync(directory)) return 0
      const found = readdirSync(directory, { recursive: true, withFileTypes: true })
      return found.filter((entry) => entry.isFile()).length
    }
    await sleep(3000)
    assert.equal(size(), 3)
    assert.equal((await get(`${at}/${digestOf(manifest)}`, { method: 'DELETE' })).status, 202)
    await eventually(() => assert.equal(size(), 0))
    await eventually(async () => {
      const { text } = await get(`${server.url}/metrics`)
      assert.match(text, /^gantry_registry_gc_removed_blobs_total 3$/m)
    })

    // By rules: of these tags the last one stays.
    assert.equal(await putBlob(server, 'old/app', { data: config, digest: digestOf(config) }), 201)
    for (const tag of ['v1', 'v2', 'v3']) {
      const body = JSON.stringify({ ...(JSON.parse(manifest) as object), layers: [], annotations: { tag } })
      const put = await get(`${server.url}/v2/old/app/manifests/${tag}`, { method: 'PUT', body, headers })
      assert.equal(put.status, 201, put.text)
    }
    await eventually(async () => {
      const { text } = await get(`${server.url}/v2/old/app/tags/list`)
      assert.deepEqual(JSON.parse(text), { name: 'old/app', tags: ['v3'] })
      assert.equal(size(), 2)
    })
    assert.match(
      (await get(`${server.url}/metrics`)).text,
      /^gantry_registry_gc_retention_removed_tags_total 2$/m,
    )
  } finally {
    await server.stop()
  }
})

test('SIGUSR2 collects at once, also where no interval does', async () => {
  const storage = place('by-hand')
  const server = await RegistryServer.start(`--storage=${storage}`, '--gc-interval=0s', '--gc-grace=1s')
  try {
    const data = randomBytes(1000)
    assert.equal(await putBlob(server, 'a', { data, digest: digestOf(data) }), 201)
    await sleep(2100)
    assert.equal(await get(`${server.url}/v2/a/blobs/${digestOf(data)}`).then(({ status }) => status), 200)
    server.signal('SIGUSR2')
    await eventually(async () =>
      assert.equal(await get(`${server.url}/v2/a/blobs/${digestOf(data)}`).then(({ status }) => status), 404),
    )
    // What was found is told also when it is nothing.
    server.signal('SIGUSR2')
    await eventually(async () =>
      assert.match((await get(`${server.url}/metrics`)).text, /^gantry_registry_gc_rounds_total 2$/m),
    )
  } finally {
    const { stderr } = await server.stop()
    assert.equal(stderr.match(/"msg":"garbage collected"/g)?.length, 2)
  }
})

describe('a copy of another registry', () => {
  const s = system()

  test('fetches what is asked for, and serves it when the other is gone', async () => {
    const upstream = await RegistryServer.start(`--storage=${place('upstream')}`)
    const settings = { upstreams: [{ prefix: 'far', registry: upstream.host, insecure: true, fresh: '1s' }] }
    const copy = await RegistryServer.start(
      `--storage=${place('copy')}`,
      `--upstream=${file('upstreams.json', JSON.stringify(settings))}`,
    )
    try {
      const [there, here] = [`${upstream.host}/team/app`, `${copy.host}/far/team/app`]
      await s.ok('tag', 'busybox', there)
      await s.ok('push', '-q', there)
      await s.ok('rmi', there)
      const id = await s.ok('images', '-q', '--no-trunc', 'busybox')
      await s.ok('pull', '-q', here)
      assert.equal(await s.ok('images', '-q', '--no-trunc', here), id)
      await s.fails(1, /unsupported|copy|pushes/i, 'push', here)
      await s.ok('rmi', here)
      await upstream.stop()
      await sleep(1100)
      await s.ok('pull', '-q', here)
      // The copy is told from its own repositories.
      await s.ok('tag', 'busybox', `${copy.host}/own/app`)
      await s.ok('push', '-q', `${copy.host}/own/app`)
      assert.match((await copy.stop()).stderr, /"level":"warn".*team\/app/)
    } finally {
      await Promise.all([upstream.stop(), copy.stop()])
    }
  })
})

describe('a registry inside the daemon', () => {
  const s = system()
  const json = join(s.daemon.home, 'daemon.json')
  let host: string
  before(async () => {
    host = `127.0.0.1:${await freePort()}`
    writeFileSync(json, JSON.stringify({ registry: { listen: host, 'max-blob-size': '1g' } }))
    await s.daemon.stop()
    await s.daemon.start()
  })

  test('it serves what the daemon pushes, and outlives it', async () => {
    await s.ok('tag', 'busybox', `${host}/own/app`)
    await s.ok('push', '-q', `${host}/own/app`)
    await s.ok('rmi', `${host}/own/app`)
    assert.ok(existsSync(join(s.daemon.dataRoot, 'registry/objects')))
    await s.daemon.killHard()
    await s.daemon.start()
    await s.ok('pull', '-q', `${host}/own/app`)
    assert.equal((await get(`http://${host}/readyz`)).status, 200)
  })

  test('what is wrong with it is said at the start', async () => {
    const daemon = (registry: unknown) => {
      const path = file('daemon.json', JSON.stringify({ registry }))
      return command([join(root, 'bin/gantryd'), '--validate', `--config-file=${path}`])
    }
    assert.match(
      (await daemon({ listn: ':1' })).stderr,
      /the key registry of daemon\.json: .*did you mean listen/,
    )
    assert.match((await daemon({ 'log-level': 'warn' })).stderr, /registry\.log-level: /)
    assert.match((await daemon('yes')).stderr, /registry: /)
    assert.equal((await daemon({ listen: ':5000' })).stdout, 'configuration OK\n')
  })
})

test('what is wrong is said in one line', async () => {
  const serve = (...flags: string[]) => command([join(root, 'bin/gantry'), 'registry', 'serve', ...flags])
  const wrong: [flags: string[], message: RegExp][] = [
    [['--listen=nowhere'], /^gantry registry serve: listen "nowhere": want ADDRESS:PORT or :PORT\n$/],
    [[`--storage=${place('w')}`, '--htpasswd=/gone'], /^gantry registry serve: Cannot read \/gone: ENOENT/],
    [[`--config=${file('c.json', '{"listn": ":1"}')}`], /listn \(did you mean listen\?\)\n$/],
    [['--listen=192.0.2.1:5000', `--storage=${place('w')}`], /^gantry registry serve: Cannot listen on/],
    [
      [`--storage=${place('w')}`, `--tls-cert=${file('no.crt', 'x')}`, `--tls-key=${file('no.key', 'x')}`],
      /^gantry registry serve: tls-cert \S+no\.crt: want a certificate as PEM\n$/,
    ],
  ]
  for (const [flags, message] of wrong) {
    const { code, stderr } = await serve(...flags)
    assert.match(stderr, message)
    assert.equal(code, 1)
  }
  const unknown = await serve('--unknown')
  assert.match(unknown.stderr, /^unknown flag: --unknown\n/)
  assert.equal(unknown.code, 125)
})
