/** What builds keep: shown, pruned, collected, carried about; and what a cancelled one leaves, which is nothing. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually, missing, system } from './harness.ts'

suite('the build cache', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  function context(name: string, dockerfile: string): string {
    const folder = join(s.daemon.home, name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'Dockerfile'), dockerfile)
    return folder
  }

  interface Item {
    ID: string
    Type: string
    Description: string
    Size: string
    Shared: string
    UsageCount: string
  }
  const items = async (...flags: string[]): Promise<Item[]> =>
    (await s.ok('builder', 'du', '--format', 'json', ...flags))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Item)

  test('builder du and system df -v show it, builder prune takes what is asked for', async () => {
    const folder = context(
      'c1',
      'FROM busybox\nRUN head -c 3000000 /dev/zero > /a\nRUN head -c 2000000 /dev/zero > /b\n',
    )
    await s.ok('build', '-q', '-t', 'kept', folder)
    await s.ok('build', '-q', '-t', 'kept', folder)
    const [a, b] = ['/a', '/b'].map(
      (end) => async () => (await items()).find((i) => i.Description.endsWith(end)),
    )
    assert.deepEqual([(await a?.())?.Size, (await a?.())?.UsageCount], ['3MB*', '2'])
    assert.match(
      await s.ok('builder', 'du'),
      /^ID .*RECLAIMABLE +SIZE +LAST ACCESSED\n[^]*Shared: +[\d.]+MB\nPrivate:/,
    )
    assert.match(
      await s.ok('buildx', 'du', '--verbose'),
      /Description: +\[3\/3\] RUN head.*\nUsage count: +2\n/,
    )
    assert.match(await s.ok('system', 'df', '-v'), /CACHE ID +CACHE TYPE [^]*regular +3MB .* 2 +true$/m)
    // An image has it all: nothing dangles.
    assert.match(
      await s.ok('builder', 'prune', '-f', '--filter', 'type=regular'),
      /^Total reclaimed space: 0B$/,
    )
    await s.ok('rmi', 'kept')
    assert.match(await s.ok('builder', 'prune', '-f', '--filter', 'until=1h'), /space: 0B$/)
    await s.fails(1, /invalid filter 'colour'/, 'builder', 'prune', '-f', '--filter', 'colour=red')
    assert.match(await s.ok('builder', 'prune', '-f', '--reserved-space', '4mb'), /space: 2MB$/)
    assert.equal(await b?.(), undefined)
    assert.ok(await a?.())
    assert.match(await s.ok('builder', 'prune', '-af', '--verbose'), /Description: +\[2\/3\][^]*space: 3MB$/)
    assert.deepEqual(
      (await items()).filter((item) => item.Type === 'regular'),
      [],
    )
  })

  test('cache mounts: listed, exported, removed, imported before the first build that wants them', async () => {
    const folder = context(
      'c2',
      'FROM busybox\nARG N\nRUN --mount=type=cache,target=/k,uid=7,mode=0700 echo $N >> /k/log; cat /k/log\n',
    )
    const build = async (n: string) =>
      (await s.run(['build', '--progress=plain', '--build-arg', `N=${n}`, folder])).stderr
    await build('one')
    assert.match(await s.ok('builder', 'cache', 'ls'), /^CACHE ID +NAME .*\n\/k +[0-9a-f]{24} +4B +false /)
    const archive = join(s.daemon.home, 'k.tar')
    await s.ok('builder', 'cache', 'export', '-o', archive, '/k')
    assert.match(
      execFileSync('tar', ['-tvf', archive], { encoding: 'utf8' }),
      /^drwx------ 7\/0 .* \.\/\n.* log\n$/,
    )
    await s.ok('builder', 'cache', 'rm', '/k')
    await s.fails(1, /no such build cache: \/k/, 'builder', 'cache', 'rm', '/k')
    await s.ok('builder', 'cache', 'import', '/k', archive)
    assert.match(await build('two'), / one\n.* two\n/)
    assert.match(await s.ok('builder', 'cache', 'ls', '-q'), /^[0-9a-f]{24}$/)
    await s.run(['builder', 'cache', 'import', '/k', '-'], { input: readFileSync(archive) })
    assert.match(await build('three'), / one\n.* three\n/)
    await s.fails(1, /./, 'builder', 'cache', 'import', '/k', '/etc/passwd')
    assert.match(await build('four'), / one\n.* three\n.* four\n/)
  })

  test('a client that is killed takes its steps along within a second, but not those that others wait for', async () => {
    const dockerfile = (n: number) => `FROM busybox\nRUN echo begun; sleep ${n}\n`
    const count = (n: number) =>
      Number(execFileSync('sh', ['-c', `pgrep -cxf "sleep ${n}" || true`], { encoding: 'utf8' }))
    const start = () => {
      const child = s.spawn(['build', context('c3', dockerfile(7_411))])
      let text = ''
      child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
      return { child, begun: () => assert.match(text, / begun\n/) }
    }
    const [{ child: one, begun }, { child: two, begun: alsoBegun }] = [start(), start()]
    await eventually(() => (begun(), alsoBegun()))
    assert.equal(count(7_411), 1)
    one.kill('SIGKILL')
    await once(one, 'close')
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(count(7_411), 1)
    const closed = once(two, 'close')
    two.kill('SIGKILL')
    const at = Date.now()
    await eventually(() => assert.equal(count(7_411), 0), 3000)
    assert.ok(Date.now() - at < 1000, `gone after ${Date.now() - at} ms`)
    await closed
  })
})

suite('collection of the build cache', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  test('runs by itself, by the policies of daemon.json', async () => {
    const policy = [{ all: true, filter: ['type=regular'], maxUsedSpace: '1mb' }]
    writeFileSync(join(s.daemon.home, 'daemon.json'), JSON.stringify({ builder: { gc: { policy } } }))
    await s.daemon.stop()
    await s.daemon.start()
    const folder = join(s.daemon.home, 'c')
    mkdirSync(folder)
    writeFileSync(join(folder, 'Dockerfile'), 'FROM busybox\nRUN head -c 3000000 /dev/zero > /a\n')
    await s.ok('build', '-q', '-o', 'type=tar,dest=/dev/null', folder)
    const du = () => s.ok('builder', 'du', '--format', '{{.Description}} {{.Size}}')
    assert.match(await du(), /> \/a 3MB$/m)
    await eventually(async () => assert.doesNotMatch(await du(), /> \/a/), 6000)
  })
})
