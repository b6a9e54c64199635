import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { dockerArchive, indexArchive, tar } from '../archives.ts'
import { busyboxTar, command, missing, system, type ClientName } from '../harness.ts'

export function imageScenarios(client: ClientName): void {
  suite(`images, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)

    test('images lists the base image; -q, --no-trunc and filters', async () => {
      const id = await s.ok('images', '-q', '--no-trunc', 'busybox')
      assert.match(id, /^sha256:[0-9a-f]{64}$/)
      assert.equal(await s.ok('images', '--format', '{{.Repository}}:{{.Tag}}'), 'busybox:latest')
      assert.equal(await s.ok('images', '-q', 'nosuch'), '')
    })

    test('tag, then rmi of each name; the image stays while one is left', async () => {
      await s.ok('tag', 'busybox', 'local/box:1')
      await s.ok('tag', 'busybox:latest', 'registry.example:5000/team/box')
      const ids = await s.ok('images', '-q')
      assert.equal(new Set(ids.split('\n')).size, 1)
      assert.match(await s.ok('rmi', 'local/box:1'), /^Untagged: local\/box:1$/)
      assert.match(
        await s.ok('rmi', 'registry.example:5000/team/box:latest'),
        /^Untagged: registry\.example:5000\/team\/box:latest$/,
      )
      assert.equal(await s.ok('images', '--format', '{{.Repository}}:{{.Tag}}'), 'busybox:latest')
    })

    test('bad references are refused', async () => {
      await s.fails(
        1,
        /invalid reference format: repository name .*must be lowercase/,
        'tag',
        'busybox',
        'local/UPPER',
      )
      await s.fails(1, /No such image: nosuch:latest/i, 'tag', 'nosuch', 'other')
      await s.fails(1, /No such image: nosuch/i, 'rmi', 'nosuch')
    })

    test('an image in use is not removed without force', async () => {
      await s.ok('create', '--name', 'user', 'busybox', 'true')
      const { stderr } = await s.fails(
        1,
        /conflict: unable to (remove repository reference|delete)/,
        'rmi',
        'busybox',
      )
      assert.match(stderr, /container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/)
    })

    test('short ids name an image', async () => {
      const id = (await s.ok('images', '-q', '--no-trunc', 'busybox')).replace('sha256:', '')
      assert.equal(await s.ok('image', 'inspect', '--format', '{{.Id}}', id.slice(0, 12)), `sha256:${id}`)
      assert.equal(await s.ok('run', '--rm', id.slice(0, 8), 'echo', 'ran'), 'ran')
    })

    test('inspect tells config and layers', async () => {
      const out = await s.ok('image', 'inspect', 'busybox')
      const [image] = JSON.parse(out) as [
        { Config: { Cmd: string[] }; RootFS: { Layers: string[] }; Size: number },
      ]
      assert.deepEqual(image.Config.Cmd, ['sh'])
      assert.equal(image.RootFS.Layers.length, 1)
      assert.ok(image.Size > 1_000_000)
    })

    test('import of a tar, and history', async () => {
      const file = join(s.daemon.home, 'import.tar')
      writeFileSync(file, await tar([{ name: 'hello', content: 'hi\n' }]))
      const id = await s.ok('import', '--change', 'ENV A=1', '-m', 'made by hand', file, 'tiny:1')
      assert.match(id, /^sha256:[0-9a-f]{64}$/)
      assert.equal(await s.ok('image', 'inspect', '--format', '{{json .Config.Env}}', 'tiny:1'), '["A=1"]')
      assert.match(await s.ok('history', '--no-trunc', '--format', '{{.Comment}}', 'tiny:1'), /made by hand/)
    })

    test('import of a URL', async (t) => {
      const archive = await tar([{ name: 'hello', content: 'hi\n' }])
      const server = createServer((request, response) => {
        response.statusCode = request.url === '/root.tar' ? 200 : 404
        response.end(request.url === '/root.tar' ? archive : '')
      }).listen(0, '127.0.0.1')
      t.after(() => server.close())
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      assert.match(
        await s.ok('import', `${url}/root.tar`, 'web:1'),
        /^Downloading from http.*\n(.*\n)*sha256:[0-9a-f]{64}$/,
      )
      assert.equal(
        await s.ok('history', '--no-trunc', '--format', '{{.Comment}}', 'web:1'),
        `Imported from ${url}/root.tar`,
      )
      await s.fails(1, /failed to fetch http.*status 404/, 'import', `${url}/nothing.tar`)
    })

    test('save and load give the same image; other engines can read the archive', async () => {
      const file = join(s.daemon.home, 'saved.tar')
      await s.ok('tag', 'busybox', 'copy:1')
      const id = await s.ok('images', '-q', '--no-trunc', 'copy:1')
      await s.ok('save', '-o', file, 'copy:1')
      const names = await command(['tar', 'tf', file])
      for (const name of ['manifest.json', 'index.json', 'oci-layout'])
        assert.match(names.stdout, new RegExp(`^${name}$`, 'm'))
      await s.ok('rmi', 'copy:1')
      assert.match(await s.ok('load', '-i', file), /Loaded image: copy:1/)
      assert.equal(await s.ok('images', '-q', '--no-trunc', 'copy:1'), id)
      const piped = await s.run(['load'], { input: readFileSync(file) })
      assert.match(piped.stdout, /Loaded image: copy:1/)
      assert.equal(await s.ok('run', '--rm', 'copy:1', 'echo', 'runs'), 'runs')
    })

    test('load of an archive in docker’s older shape: layers on one another, whiteouts, its config', async () => {
      const lower = await busyboxTar()
      const upper = await tar([
        { name: 'etc/.wh.group' },
        { name: 'home/', type: 'directory' },
        { name: 'home/.wh..wh..opq' },
        { name: 'home/new', content: 'new\n', uid: 33, gid: 33, mode: 0o640 },
        { name: 'link', type: 'symlink', linkname: '/home/new' },
        { name: 'hard', type: 'link', linkname: 'home/new' },
      ])
      const archive = await dockerArchive({
        layers: [lower, upper],
        tags: ['loaded:1'],
        config: {
          Cmd: ['sh', '-c', 'ls /etc/group 2>&1; cat /link; stat -c "%u %a %h" /hard'],
          Env: ['PATH=/bin'],
        },
      })
      const result = await s.run(['load'], { input: archive })
      assert.equal(result.code, 0, result.stderr)
      const ran = await s.run(['run', '--rm', 'loaded:1'])
      assert.equal(ran.stdout, 'ls: /etc/group: No such file or directory\nnew\n33 640 2\n')
      const [history, layers] = [
        await s.ok('history', '-q', 'loaded:1'),
        await s.ok('image', 'inspect', '--format', '{{len .RootFS.Layers}}', 'loaded:1'),
      ]
      assert.deepEqual([history.split('\n').length, layers], [2, '2'])
    })

    test(
      'images --tree shows what a name stands for, rmi --platform takes some of it',
      {
        skip: missing(client, { docker: 28 }),
      },
      async () => {
        const loaded = await s.run(['load'], {
          input: await indexArchive('many:1', ['amd64', 'arm64', 'riscv64']),
        })
        assert.equal(loaded.code, 0, loaded.stderr)
        const tree = async () => {
          const text = await s.ok('images', '--tree', 'many')
          return text
            .matchAll(/^[├└]─ (\S+) +([0-9a-f]{12}) +(\S+)/gm)
            .map((row) => [row[1], row[3] !== '0B'])
        }
        assert.deepEqual(
          [...(await tree())],
          ['linux/amd64', 'linux/arm64', 'linux/riscv64'].map((platform) => [platform, true]),
        )
        await s.fails(
          1,
          /does not provide the specified platform \(linux\/s390x\)/,
          'rmi',
          '--platform',
          's390x',
          'many:1',
        )
        assert.match(await s.ok('rmi', '--platform', 'linux/riscv64,amd64', 'many:1'), /^Deleted: sha256:/)
        assert.deepEqual(
          [...(await tree())],
          [
            ['linux/amd64', false],
            ['linux/arm64', true],
            ['linux/riscv64', false],
          ],
        )
        assert.equal(await s.ok('image', 'inspect', '-f', '{{.Architecture}}', 'many:1'), 'arm64')
        assert.match(
          await s.ok('rmi', '--platform', 'arm64', 'many:1'),
          /^Untagged: many:1\nDeleted: sha256:/,
        )
        assert.equal(await s.ok('images', '-q', 'many'), '')
      },
    )

    test('what is no archive is refused', async () => {
      const result = await s.run(['load'], { input: 'this is not a tar'.repeat(100) })
      assert.notEqual(result.code, 0)
      assert.notEqual(result.stderr, '')
      assert.equal(
        await s.ok('images', '-q', '--no-trunc', '-a'),
        await s.ok('images', '-q', '--no-trunc', 'busybox'),
      )
    })
  })
}
