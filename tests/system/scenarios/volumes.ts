import assert from 'node:assert/strict'
import { chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { command, missing, system, type ClientName, type Session } from '../harness.ts'

interface VolumeShape {
  Name: string
  Mountpoint: string
  Options: Record<string, string> | null
  Labels: Record<string, string> | null
}

const inspectVolume = (s: Session, name: string) => s.daemon.json<VolumeShape>('GET', `/volumes/${name}`)

export function volumeScenarios(client: ClientName): void {
  suite(`volumes with ${client}`, { skip: missing(client, { docker: 28 }) }, () => {
    const s = system(client)
    const sh = (flags: readonly string[], script: string) =>
      s.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script)

    test('create, ls with filters, inspect, rm', async () => {
      await s.ok('volume', 'create', '--label', 'tier=db', '--label', 'x', 'db')
      await s.ok('volume', 'create', 'web')
      await s.ok('create', '--name', 'user', '-v', 'web:/w', 'busybox')
      const ls = (...filters: string[]) =>
        s.ok('volume', 'ls', '-q', ...filters.flatMap((filter) => ['--filter', filter]))
      assert.equal(await ls(), 'db\nweb')
      assert.equal(await ls('dangling=true'), 'db')
      assert.equal(await ls('dangling=false'), 'web')
      assert.equal(await ls('label=tier=db', 'label=x'), 'db')
      assert.equal(await ls('name=^w'), 'web')
      assert.equal(await ls('driver=nfs'), '')
      const { Labels, Mountpoint } = await inspectVolume(s, 'db')
      assert.deepEqual(Labels, { tier: 'db', x: '' })
      assert.ok(statSync(Mountpoint).isDirectory())
      await s.fails(1, /remove web: volume is in use - \[[0-9a-f]{64}\]/, 'volume', 'rm', 'web')
      await s.fails(1, /no such volume/, 'volume', 'rm', 'nope')
      assert.equal(await s.ok('volume', 'rm', 'db'), 'db')
      assert.equal(existsSync(Mountpoint), false)
    })

    test('a single file can be mounted read-only', async () => {
      const file = join(s.folder(), 'f')
      writeFileSync(file, 'hi')
      const want = 'hi\nread-only'
      const script = 'cat /run/x/f; echo; echo no > /run/x/f || echo read-only'
      for (const flags of [
        ['-v', `${file}:/run/x/f:ro`],
        ['--mount', `type=bind,src=${file},dst=/run/x/f,ro`],
      ])
        assert.equal(await sh(flags, `(${script}) 2>/dev/null`), want)
    })

    test('an empty volume receives the image’s files with owners and modes; nocopy leaves it empty', async () => {
      await s.ok('create', '--name', 'base', 'busybox', 'sh', '-c', 'x')
      const dockerfile =
        'FROM busybox\nRUN mkdir -p /data/sub && echo hi > /data/sub/f && chown -R 70:71 /data && chmod 1770 /data && chmod 4711 /data/sub/f\nVOLUME /data\n'
      const context = s.folder()
      writeFileSync(join(context, 'Dockerfile'), dockerfile)
      await s.ok('build', '-q', '-t', 'seeded', context)
      const look = 'stat -c "%u:%g %a" /data /data/sub/f; cat /data/sub/f'
      const want = '70:71 1770\n70:71 4711\nhi'
      const run = (...flags: string[]) => s.ok('run', '--rm', ...flags, 'seeded', 'sh', '-c', look)
      assert.equal(await run(), want)
      assert.equal(await run('-v', 'named:/data'), want)
      assert.equal(await run('--mount', 'type=volume,src=other,dst=/data'), want)
      for (const flags of [
        ['-v', 'bare:/data:nocopy'],
        ['--mount', 'type=volume,src=bare2,dst=/data,volume-nocopy'],
      ])
        assert.equal(await s.ok('run', '--rm', ...flags, 'seeded', 'ls', '/data'), '')
      // The image's VOLUME went with its container.
      assert.equal(await s.ok('volume', 'ls', '-q'), 'bare\nbare2\nnamed\nother')
    })

    test('--volumes-from takes what another container mounts; the last rm -v takes the anonymous volume', async () => {
      const host = s.folder()
      writeFileSync(join(host, 'file'), 'from host')
      const flags = ['-v', 'db:/db', '-v', '/anon', '-v', `${host}:/host:ro`, '--tmpfs', '/t']
      await s.ok('run', '-d', '--name', 'one', ...flags, 'busybox', 'sleep', '1000')
      await s.ok('exec', 'one', 'sh', '-c', 'echo 1 > /anon/f; echo 2 > /db/f')
      const seen = 'cat /anon/f /db/f /host/file; touch /host/x 2>/dev/null || echo kept; ls -d /t'
      const two = await s.run(['run', '--rm', '--volumes-from', 'one', 'busybox', 'sh', '-c', seen])
      assert.equal(two.stdout, '1\n2\nfrom hostkept\n')
      assert.equal(
        await sh(
          ['--volumes-from', 'one:ro', '-v', 'mine:/db'],
          'touch /db/y; touch /anon/x || echo read-only',
        ),
        'read-only',
      )
      await s.ok('create', '--name', 'two', '--volumes-from', 'one', 'busybox')
      await s.ok('rm', '-f', '-v', 'one')
      assert.equal((await s.ok('volume', 'ls', '-q')).split('\n').length, 3)
      await s.ok('rm', '-v', 'two')
      assert.equal(await s.ok('volume', 'ls', '-q'), 'db\nmine')
      await s.fails(125, /No such container: nobody/, 'run', '--volumes-from', 'nobody', 'busybox')
    })

    test('a path inside a volume is mounted, and leads nowhere else', async () => {
      await sh(
        ['-v', 'vol:/v'],
        'mkdir -p /v/a/b; echo deep > /v/a/b/f; ln -s /etc /v/out; ln -s ../../.. /v/up',
      )
      const sub = (path: string) => ['--mount', `type=volume,src=vol,dst=/m,volume-subpath=${path}`]
      assert.equal(await sh(sub('a/b'), 'cat /m/f; echo more > /m/g'), 'deep')
      assert.equal(await sh(sub('a/b/f'), 'cat /m'), 'deep')
      assert.equal(await sh(sub('up'), 'ls /m'), 'a\nout\nup')
      const run = (path: string) => ['run', '--rm', ...sub(path), 'busybox', 'true']
      // Docker's client: 127 for what "no such file or directory" is said of.
      await s.fails(127, /cannot access path .*no such file or directory/, ...run('out'))
      await s.fails(127, /cannot access path .*no such file or directory/, ...run('none'))
      await s.fails(125, /must be a relative path within the volume/, ...run('../x'))
      assert.equal(await sh(['-v', 'vol:/v'], 'cat /v/a/b/g'), 'more')
    })

    test('an image is mounted read-only, whole or a part of it; it cannot go meanwhile', async () => {
      const context = s.folder()
      writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nRUN mkdir /tool && echo t > /tool/f\n')
      await s.ok('build', '-q', '-t', 'tools', context)
      const flags = ['--mount', 'type=image,src=tools,dst=/i']
      assert.equal(await sh(flags, 'cat /i/tool/f; touch /i/x 2>/dev/null || echo read-only'), 't\nread-only')
      assert.equal(await sh([`${flags[0]}`, `${flags[1]},image-subpath=tool`], 'ls /i'), 'f')
      await s.ok('create', '--name', 'holds', ...flags, 'busybox', 'cat', '/i/tool/f')
      await s.fails(1, /conflict/i, 'rmi', 'tools')
      assert.equal(await s.ok('start', '-a', 'holds'), 't')
      const run = ['run', '--rm', '--mount', 'type=image,src=nope,dst=/i', 'busybox', 'true']
      await s.fails(125, /No such image: nope/, ...run)
    })

    test('binds: read-only to the bottom, or not; propagation needs a shared mount', async () => {
      const host = s.folder()
      mkdirSync(join(host, 'below'))
      await command(['mount', '-t', 'tmpfs', 'none', join(host, 'below')])
      try {
        const write = 'touch /h/x 2>/dev/null || echo top; touch /h/below/x 2>/dev/null || echo bottom'
        const bind = (more: string) => ['--mount', `type=bind,src=${host},dst=/h${more}`]
        assert.equal(await sh(['-v', `${host}:/h:ro`], write), 'top\nbottom')
        assert.equal(await sh(bind(',ro,bind-recursive=writable'), write), 'top')
        assert.equal(
          await sh(bind(',ro,bind-recursive=readonly,bind-propagation=rprivate'), write),
          'top\nbottom',
        )
        assert.equal(await sh(bind(',bind-recursive=disabled'), 'ls -A /h/below'), '')
        await command(['mount', '--make-private', join(host, 'below')])
        const shared = ['--mount', `type=bind,src=${host}/below,dst=/h,bind-propagation=rshared`]
        await s.fails(
          125,
          /is mounted on .* but it is not a shared mount/,
          'run',
          ...shared,
          'busybox',
          'true',
        )
      } finally {
        await command(['umount', join(host, 'below')])
      }
      await s.fails(
        125,
        /bind source path does not exist/,
        'run',
        '--mount',
        'type=bind,src=/no/such,dst=/h',
        'busybox',
      )
    })

    test('a source directory that is gone at the start is made again for -v, and named for --mount', async () => {
      const host = join(s.folder(), 'later')
      await s.ok('create', '--name', 'short', '-v', `${host}:/h`, 'busybox', 'ls', '-d', '/h')
      await s.ok('create', '--name', 'long', '--mount', `type=bind,src=${host},dst=/h`, 'busybox', 'true')
      rmSync(host, { recursive: true })
      await s.fails(1, /bind source path does not exist/, 'start', 'long')
      assert.equal(await s.ok('start', '-a', 'short'), '/h')
    })

    test('tmpfs has size and mode', async () => {
      const flags = [
        '--tmpfs',
        '/a:size=1m,mode=1750',
        '--mount',
        'type=tmpfs,dst=/b,tmpfs-size=2m,tmpfs-mode=0700',
      ]
      assert.equal(
        await sh(flags, "stat -c %a /a /b; df -k /a /b | awk 'NR>1{print $2}'"),
        '1750\n700\n1024\n2048',
      )
    })

    test('a volume with mount options is mounted while it is used, for all its users once', async () => {
      const mounted = async () => (await command(['findmnt', '-n', Mountpoint])).stdout !== ''
      const tmpfs = ['--opt', 'type=tmpfs', '--opt', 'device=tmpfs', '--opt', 'o=size=1m,uid=7']
      await s.ok('volume', 'create', ...tmpfs, 'fast')
      const { Mountpoint, Options } = await inspectVolume(s, 'fast')
      assert.deepEqual(Options, { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=7' })
      await s.ok('run', '-d', '--name', 'keeps', '-v', 'fast:/f', 'busybox', 'sleep', '1000')
      assert.equal(await sh(['-v', 'fast:/f'], 'stat -c %u /f; echo 1 > /f/x'), '7')
      assert.equal(await s.ok('exec', 'keeps', 'cat', '/f/x'), '1')
      assert.equal(await mounted(), true)
      await s.ok('rm', '-f', 'keeps')
      assert.equal(await mounted(), false)

      const host = s.folder()
      writeFileSync(join(host, 'file'), 'precious')
      await s.ok('volume', 'create', '-o', 'type=none', '-o', `device=${host}`, '-o', 'o=bind,ro', 'bound')
      assert.equal(
        await sh(['-v', 'bound:/b'], 'cat /b/file; touch /b/x 2>/dev/null || echo ro'),
        'preciousro',
      )
      await s.ok('volume', 'rm', 'bound')
      assert.ok(existsSync(join(host, 'file')))
    })

    test('the kernel’s reason is told when a volume cannot be mounted', async () => {
      await s.ok(
        'volume',
        'create',
        '-o',
        'type=nosuchfs',
        '-o',
        'device=:/x',
        '-o',
        'o=addr=127.0.0.1',
        'bad',
      )
      await s.fails(
        125,
        /error while mounting volume '.*bad\/_data': failed to mount local volume: mount :\/x:.*, data: addr=127\.0\.0\.1: no such device/,
        'run',
        '-v',
        'bad:/b',
        'busybox',
        'true',
      )
      await s.fails(1, /missing required option: "device"/, 'volume', 'create', '-o', 'type=nfs', 'worse')
      await s.fails(1, /invalid option: "colour"/, 'volume', 'create', '-o', 'colour=red', 'worse')
    })

    test('U gives a volume to the container’s user; idmap lets a user write as another of the host', async () => {
      const write = 'touch /v/new; stat -c %u:%g /v /v/old /v/new'
      await sh(['-v', 'vol:/v'], 'touch /v/old')
      assert.equal(await sh(['-u', '70:71', '-v', 'vol:/v:U'], write), '70:71\n70:71\n70:71')

      const host = s.folder()
      chownSync(host, 4321, 8765)
      // www-data is 33:33 in the image; root stays root.
      assert.equal(
        await sh(
          ['-v', `${host}:/h:idmap=www-data`],
          'touch /h/root; touch /h/web; chown 33:33 /h/web; stat -c %u /h',
        ),
        '33',
      )
      assert.equal(
        await sh(['-u', 'www-data', '-v', `${host}:/h:idmap`], 'touch /h/own; stat -c %u /h/web'),
        '33',
      )
      const owners = ['web', 'own', 'root'].map((name) => {
        const { uid, gid } = statSync(join(host, name))
        return `${uid}:${gid}`
      })
      assert.deepEqual(owners, ['4321:8765', '4321:8765', '0:0'])
      assert.equal(
        await sh(['-v', `${host}:/h:ro,idmap=uids=5-4321-1;gids=6-8765-1`], 'stat -c %u:%g /h'),
        '5:6',
      )
      await s.fails(125, /invalid idmap/, 'run', '-v', `${host}:/h:idmap=uids=1`, 'busybox')
      await s.fails(125, /belongs to the host/, 'run', '-v', '/etc:/h:U', 'busybox', 'true')
    })

    test('prune takes anonymous volumes, --all named ones too; filters choose', async () => {
      for (const name of ['a', 'b'].map((letter) => letter.repeat(2)))
        await s.ok('volume', 'create', '--label', `is=${name}`, name)
      await s.ok('create', '--name', 'cc', '-v', '/anon', 'busybox')
      await s.ok('rm', 'cc')
      assert.match(
        await s.ok('volume', 'prune', '-f'),
        /^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: 0B/,
      )
      assert.equal(await s.ok('volume', 'ls', '-q'), 'aa\nbb')
      const { VolumesDeleted } = await s.daemon.json<{ VolumesDeleted: string[] }>(
        'POST',
        `/volumes/prune?filters=${encodeURIComponent('{"all":["true"],"label!":["is=bb"]}')}`,
      )
      assert.deepEqual(VolumesDeleted, ['aa'])
    })

    test('system df -v tells sizes and users of volumes', async () => {
      await sh(['-v', 'full:/v'], 'head -c 5000 /dev/zero > /v/f')
      await s.ok('create', '-v', 'full:/v', 'busybox')
      assert.match(await s.ok('system', 'df', '-v'), /^full\s+1\s+5kB$/m)
    })
  })
}
