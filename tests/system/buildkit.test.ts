import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { FakeClient, newRef, upgrade, type FakeFile } from '../../src/api/buildkit/testing.ts'
import { eventually, missing, system } from './harness.ts'

suite('BuildKit’s API', { skip: missing('gantry') }, () => {
  const s = system('gantry')
  const open = () => FakeClient.connect((path, headers) => upgrade(s.daemon.socket, path, headers))

  /** A build as buildx asks for one: a directory for both the Dockerfile and the context. */
  async function build(
    client: FakeClient,
    o: {
      dockerfile: string
      files?: Record<string, FakeFile>
      options?: Record<string, string>
      name?: string
      secrets?: Record<string, string>
      exporter?: string
    },
  ) {
    const context = { ...o.files, Dockerfile: { data: o.dockerfile } }
    const session = await client.session({
      sharedKey: 'test',
      directories: { context, dockerfile: context },
      ...(o.secrets && { secrets: o.secrets }),
    })
    const ref = newRef()
    const [response, updates] = await Promise.all([
      client.solve({
        Ref: ref,
        Session: session,
        Frontend: 'dockerfile.v0',
        FrontendAttrs: { filename: 'Dockerfile', ...o.options },
        Exporters: [{ Type: o.exporter ?? 'moby', Attrs: o.name === undefined ? {} : { name: o.name } }],
      }),
      client.status(ref),
    ])
    const digests = new Set(updates.flatMap(({ vertexes }) => vertexes.map(({ digest }) => digest)))
    const last = updates.flatMap(({ vertexes }) => vertexes)
    const logs = updates.flatMap(({ logs: lines }) => lines).map(({ msg }) => Buffer.from(msg).toString())
    return {
      response,
      log: logs.join(''),
      names: new Set(last.map(({ name }) => name)),
      cached: new Set(last.filter(({ cached }) => cached).map(({ name }) => name)),
      digests,
    }
  }

  test('a context travels by what COPY wants, and the second time by what changed', async () => {
    const client = await open()
    const files: Record<string, FakeFile> = {
      '.dockerignore': { data: 'src/skip\n' },
      'src/a': { data: 'one' },
      'src/b': { data: 'two', mode: 0o755 },
      'src/skip': { data: 'no' },
      'src/to-a': { link: 'a' },
      'other/big': { data: 'x'.repeat(10_000) },
    }
    const dockerfile = 'FROM busybox\nCOPY src /src\nRUN ls /src && cat /src/to-a\n'
    try {
      const first = await build(client, { dockerfile, files, name: 'docker.io/library/synced:1' })
      assert.match(first.log, /a\nb\nto-a\none/)
      assert.match(first.response['containerimage.config.digest'] ?? '', /^sha256:/)
      assert.equal(first.response['image.name'], 'docker.io/library/synced:1')
      assert.deepEqual(
        client.asked.filter((path) => path.startsWith('src') || path.startsWith('other')).sort(),
        ['src/a', 'src/b'],
      )
      assert.equal(await s.ok('run', '--rm', 'synced:1', 'stat', '-c', '%a %u', '/src/b'), '755 0')

      client.asked.length = 0
      const again = await build(client, { dockerfile, files })
      assert.ok(again.cached.has('[2/3] COPY src /src'), [...again.cached].join())
      assert.deepEqual(
        client.asked.filter((path) => path.startsWith('src')),
        [],
      )
      assert.equal(again.response['containerimage.digest'], first.response['containerimage.digest'])

      const { 'src/b': _gone, ...rest } = files
      const changed = { ...rest, 'src/a': { data: 'ONE', mtime: 1_700_000_000_000_000_002n } }
      const third = await build(client, { dockerfile, files: changed })
      assert.match(third.log, /^a\nto-a\nONE/)
      assert.deepEqual(
        client.asked.filter((path) => path.startsWith('src')),
        ['src/a'],
      )
    } finally {
      client.close()
    }
  })

  test('failures tell the lines of the Dockerfile; secrets arrive and are nowhere else', async () => {
    const client = await open()
    try {
      const dockerfile = 'FROM busybox\nRUN --mount=type=secret,id=s md5sum < /run/secrets/s\nRUN exit 7\n'
      const error = await build(client, { dockerfile, secrets: { s: 'topsecret' } }).then(
        () => assert.fail('it built'),
        (failure: unknown) => failure as Error & { code: number },
      )
      assert.equal(error.message, 'process "/bin/sh -c exit 7" did not complete successfully: exit code: 7')
      assert.equal(error.code, 2)
      const sum = createHash('md5').update('topsecret').digest('hex')
      const ok = await build(client, {
        dockerfile: dockerfile.replace('RUN exit 7\n', ''),
        options: { 'no-cache': '' },
        secrets: { s: 'topsecret' },
      })
      assert.match(ok.log, new RegExp(sum))
      await assert.rejects(build(client, { dockerfile: 'FROM busybox\n', options: { hostname: 'x' } }), {
        message: 'build: the option "hostname" is not supported',
      })
    } finally {
      client.close()
    }
  })

  test('a part of the build that the client runs gets a result, and archives go to the client', async () => {
    const client = await open()
    try {
      const context = { Dockerfile: { data: 'FROM busybox\nRUN echo gateway > /g\n' } }
      const session = await client.session({ directories: { context, dockerfile: context } })
      const ref = newRef()
      const solved = client.solve({
        Ref: ref,
        Session: session,
        Exporters: [{ Type: 'tar', Attrs: {} }],
      })
      const answer = await client.gateway(ref, { Frontend: 'dockerfile.v0', FrontendOpt: {} })
      assert.ok(answer.result)
      await client.gatewayReturn(ref)
      await solved
      assert.ok(client.received.includes('gateway\n'))
    } finally {
      client.close()
    }
  })

  test('what a client lists cannot leave its directory', async () => {
    const hostile = [
      [{ path: '../x', mode: 0o644 }],
      [{ path: '/etc/x', mode: 0o644 }],
      [{ path: 'no-parent/x', mode: 0o644 }],
      [
        { path: 'link', mode: 0x0800_0000, linkname: '/etc' },
        { path: 'link/x', mode: 0o644 },
      ],
    ]
    for (const list of hostile) {
      const client = await open()
      try {
        const context = { Dockerfile: { data: 'FROM busybox\nCOPY . /\n' } }
        const session = await client.session({ directories: { context, dockerfile: context }, hostile: list })
        await assert.rejects(
          client.solve({ Ref: newRef(), Session: session, Frontend: 'dockerfile.v0', FrontendAttrs: {} }),
          /build context|bad path|not there|no such file/,
          JSON.stringify(list),
        )
      } finally {
        client.close()
      }
    }
  })

  test('a client that leaves, or is killed, takes its build along', async () => {
    const running = async () =>
      await s.daemon.json<object[]>('GET', '/gantry/builds?filters={"status":["running"]}')
    for (const end of ['close', 'kill'] as const) {
      const client = await open()
      const cut = build(client, { dockerfile: 'FROM busybox\nRUN sleep 300\n' }).catch(() => 'cut')
      await eventually(async () => assert.equal((await running()).length, 1))
      client[end]()
      assert.equal(await cut, 'cut')
      await eventually(async () => assert.equal((await running()).length, 0))
    }
  })
})
