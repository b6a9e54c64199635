/** What is given by --secret is in no byte that a daemon keeps: layers, configs, records, logs, caches, database. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hasCode } from '../../src/lib/errors.ts'
import { eventually, missing, system } from './harness.ts'

suite('secrets of builds', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  /** Files below a directory that have the value in one of the forms in which it could be written down. */
  function findIn(directory: string, value: string): string[] {
    const bytes = Buffer.from(value)
    const base64 = bytes.toString('base64').replace(/=+$/, '')
    const needles = [value, bytes.toString('hex'), base64, encodeURIComponent(value)].map((text) =>
      Buffer.from(text),
    )
    const found: string[] = []
    const visit = (path: string) => {
      const stat = look(() => lstatSync(path))
      if (stat?.isDirectory()) for (const name of look(() => readdirSync(path)) ?? []) visit(join(path, name))
      if (!stat?.isFile()) return
      const content = look(() => readFileSync(path))
      if (content && needles.some((needle) => content.includes(needle))) found.push(path)
    }
    visit(directory)
    return found
  }

  /** What goes while the daemon works was not kept. */
  function look<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  const context = (dockerfile: string) => s.folder({ 'ctx/Dockerfile': dockerfile })

  const step = (test: string) =>
    `RUN --mount=type=secret,id=file --mount=type=secret,id=file,target=/deep/in/place --mount=type=secret,id=variable,env=TOKEN ` +
    `--mount=type=cache,id=secret-scan,target=/cache ${test}\n`
  const uses = 'test "$TOKEN" = "$(cat /run/secrets/file)" && echo used > /used && echo used > /cache/used'

  /** Where a build's secrets must not be; all that can be asked of the daemon besides. */
  async function expectNowhere(value: string): Promise<void> {
    assert.deepEqual(findIn(s.daemon.dataRoot, value), [])
    const said: string[] = []
    for (const line of (await s.ok('images', '--quiet', '--no-trunc')).split('\n')) {
      said.push(await s.ok('history', '--no-trunc', line), await s.ok('image', 'inspect', line))
    }
    for (const id of (await s.ok('builds', 'ls', '--quiet')).split('\n').filter(Boolean))
      said.push(await s.ok('builds', 'logs', id), await s.ok('builds', 'inspect', '--format', 'json', id))
    said.push(await s.ok('builder', 'du', '--verbose'), await s.ok('system', 'df', '--verbose'))
    assert.ok(!said.join('\n').includes(value), 'a secret is told')
  }

  test('a build that succeeds, one from the cache, and one that fails keep nothing of them', async () => {
    const value = `s3cr3t-${randomBytes(12).toString('hex')}/+ü`
    const good = context(`FROM busybox\n${step(uses)}RUN test ! -e /run/secrets/file && test -z "$TOKEN"\n`)
    writeFileSync(join(good, 'secret'), value)
    const flags = ['--secret', `id=file,src=${join(good, 'secret')}`, '--secret', 'id=variable,env=VALUE']
    const build = (folder: string, ...more: string[]) =>
      s.run(['build', '--progress=plain', ...flags, ...more, join(folder, 'ctx')], { env: { VALUE: value } })
    for (const more of [
      ['-t', 'good'],
      ['-t', 'again'],
      ['--no-cache', '-t', 'anew'],
    ]) {
      const result = await build(good, ...more)
      assert.equal(result.code, 0, result.stderr)
      assert.ok(!(result.stdout + result.stderr).includes(value))
    }
    for (const fault of ['false', 'nosuchcommand', 'exit 7']) {
      const result = await build(context(`FROM busybox\n${step(`${uses} && ${fault}`)}`), '-t', 'bad')
      assert.equal(result.code, 1)
      assert.match(result.stderr, /did not complete successfully/)
      assert.ok(!(result.stdout + result.stderr).includes(value))
    }
    await expectNowhere(value)
    assert.deepEqual(findIn(s.daemon.execRoot, value), [])
  })

  test('the scan would find what a step writes down', async () => {
    const value = `t0ld-${randomBytes(12).toString('hex')}`
    const folder = context(`FROM busybox\nARG TOKEN\n${step('true')}RUN echo $TOKEN > /written\n`)
    const result = await s.run(['build', '--build-arg', `TOKEN=${value}`, '-t', 'told', join(folder, 'ctx')])
    assert.equal(result.code, 0, result.stderr)
    assert.ok(findIn(s.daemon.dataRoot, value).some((path) => path.endsWith('/written')))
  })

  test('nothing is on the disk while a step runs, nor after the daemon was killed in it', async () => {
    const value = `k1lled-${randomBytes(12).toString('hex')}`
    const folder = context(`FROM busybox\n${step(`${uses} && echo running && sleep 60`)}`)
    writeFileSync(join(folder, 'secret'), value)
    const flags = ['--secret', `id=file,src=${join(folder, 'secret')}`, '--secret', 'id=variable,env=VALUE']
    const child = s.spawn(['build', '--progress=plain', ...flags, join(folder, 'ctx')], {
      env: { VALUE: value },
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = new Promise((resolve) => child.once('close', resolve))
    await eventually(() => assert.match(said, /\d running/))
    assert.deepEqual(findIn(s.daemon.dataRoot, value), [])
    await s.daemon.killHard()
    await ended
    assert.deepEqual(findIn(s.daemon.dataRoot, value), [])
    await s.daemon.start()
    await expectNowhere(value)
    assert.deepEqual(findIn(s.daemon.execRoot, value), [])
  })
})
