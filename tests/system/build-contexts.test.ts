import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { commit, serveGit } from '../../src/build/source/git-server.ts'
import { missing, system } from './harness.ts'

suite('build contexts', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  function folder(name: string, files: Readonly<Record<string, string>>): string {
    const dir = join(s.daemon.home, name)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(dir, path, '..'), { recursive: true })
      writeFileSync(join(dir, path), content)
    }
    return dir
  }

  async function built(args: readonly string[], input?: string | Uint8Array): Promise<string> {
    const result = await s.run(['build', '--progress=plain', ...args], input === undefined ? {} : { input })
    assert.equal(result.code, 0, result.stderr)
    return result.stderr
  }

  test('named contexts are read in place, or sent before a context that comes by standard input', async () => {
    const main = folder('main', { m: 'main\n' })
    const other = folder('other', { o: 'other\n', secret: 'no', '.dockerignore': 'secret\n' })
    const dockerfile =
      'FROM base\nCOPY --from=other . /o\nCOPY m /\nRUN cat /m /o/o && test ! -e /o/secret && echo ok\n'
    writeFileSync(join(main, 'Dockerfile'), dockerfile)
    const flags = [
      '--no-cache',
      '--build-context',
      `other=${other}`,
      '--build-context',
      'base=docker-image://busybox',
    ]
    assert.match(await built([...flags, main]), / main\n.* other\n.* ok\n/)
    const tar = execFileSync('tar', ['-C', main, '-c', '.'])
    assert.match(await built([...flags, '-'], tar), / main\n.* other\n.* ok\n/)
    assert.match(await built([...flags, '-f', '-', main], dockerfile), / ok\n/)
    await s.fails(
      1,
      /failed to get build context path \{x .*nowhere\}/,
      'build',
      '--build-context',
      'x=nowhere',
      main,
    )
  })

  test('a Dockerfile by standard input has no files; one may come by URL, and a whole context', async (t) => {
    const repository = join(s.daemon.home, 'git/r.git')
    commit(repository, { 'sub/Dockerfile': 'FROM busybox\nCOPY f /f\nRUN cat /f\n', 'sub/f': 'from git\n' })
    const git = await serveGit(join(s.daemon.home, 'git'))
    t.after(() => git.close())
    const web = http.createServer((_request, response) =>
      response.end('FROM busybox\nRUN echo from the web\n'),
    )
    await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve))
    t.after(() => new Promise((resolve) => web.close(resolve)))
    const { port } = web.address() as net.AddressInfo
    assert.match(await built(['-'], 'FROM busybox\nRUN echo from a pipe\n'), / from a pipe\n/)
    assert.match(await built([`${git.url}/r.git#main:sub`]), / from git\n/)
    assert.match(await built([`http://127.0.0.1:${port}/Dockerfile`]), / from the web\n/)
    const url = `http://127.0.0.1:${port}/Dockerfile`
    assert.match(await built(['--no-cache', '-f', url, folder('empty', { x: '' })]), / from the web\n/)
    await s.fails(1, /failed to fetch http:.*: /, 'build', '-f', 'http://127.0.0.1:1/x', s.daemon.home)
    const added = await built(['-'], `FROM busybox\nADD ${git.url}/r.git#:sub /src/\nRUN cat /src/f\n`)
    assert.match(added, / from git\n/)
    await s.fails(1, /repository does not contain ref nope/, 'build', `${git.url}/r.git#nope`)
    const none = await s.run(['build', '-'], { input: 'FROM busybox\nCOPY Dockerfile /\n' })
    assert.match(none.stderr, /"\/Dockerfile": not found/)
  })

  test('--ssh forwards the agent of the environment', async (t) => {
    const socket = join(s.daemon.home, 'agent')
    const agent = net.createServer()
    await new Promise<void>((resolve) => void agent.listen(socket, resolve))
    t.after(() => new Promise((resolve) => agent.close(resolve)))
    const input = 'FROM busybox\nRUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK && echo there\n'
    const run = (args: string[], env: Record<string, string>) =>
      s.run(['build', '--no-cache', '--progress=plain', ...args, '-'], { input, env })
    assert.match((await run(['--ssh', 'default'], { SSH_AUTH_SOCK: socket })).stderr, / there\n/)
    assert.match((await run(['--ssh', `default=${socket}`], {})).stderr, / there\n/)
    assert.match((await run([], {})).stderr, /unset ssh forward key default/)
    assert.match(
      (await run(['--ssh', 'default'], { SSH_AUTH_SOCK: '' })).stderr,
      /make sure SSH_AUTH_SOCK is set/,
    )
    assert.match((await run(['--ssh', 'default=/nowhere'], {})).stderr, /failed to stat \/nowhere/)
  })

  test('--platform and --allow', async () => {
    const other = process.arch === 'x64' ? 'arm64' : 'amd64'
    const input =
      'FROM --platform=$BUILDPLATFORM busybox AS b\nARG TARGETARCH\nRUN echo -n $TARGETARCH > /a\nFROM scratch\nCOPY --from=b /a /\n'
    const result = await s.run(['build', '-q', '--platform', `linux/${other}`, '-t', 'foreign', '-'], {
      input,
    })
    assert.equal(result.code, 0, result.stderr)
    assert.equal(
      await s.ok('image', 'inspect', '-f', '{{.Os}}/{{.Architecture}}', 'foreign'),
      `linux/${other}`,
    )
    const host = 'FROM busybox\nRUN --network=host ls /sys/class/net | grep -x lo\n'
    assert.match((await s.run(['build', '-'], { input: host })).stderr, /network.host is not allowed/)
    assert.equal((await s.run(['build', '--allow', 'network.host', '-'], { input: host })).code, 0)
    const insecure = await s.run(['build', '--allow', 'security.insecure', '-'], { input: host })
    assert.match(insecure.stderr, /--allow security.insecure: build steps get no extra privileges/)
  })
})
