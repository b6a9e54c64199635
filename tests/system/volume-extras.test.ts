/** What volumes do beyond docker, and what survives a daemon that is killed. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { setTimeout as sleep } from 'node:timers/promises'
import { tar } from './archives.ts'
import { command, system } from './harness.ts'

suite('volumes beyond docker', () => {
  const s = system()
  const sh = (flags: readonly string[], script: string) =>
    s.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script)
  /** All that is in a directory, with times to the nanosecond and inode numbers. */
  const state = async (path: string) =>
    (await command(['find', path, '-printf', '%P %i %u %g %m %T@ %s %l\n'])).stdout
  const data = (name: string) => join(s.daemon.dataRoot, 'volumes', name, '_data')
  const fill =
    'mkdir /v/d; echo one > /v/d/f; chown 5:6 /v/d/f; chmod 6755 /v/d/f; ln -s ../../x /v/l; ln /v/d/f /v/h; chown 70:71 /v; chmod 1770 /v; touch -d "2001-02-03 04:05:06" /v/d/f /v'

  test('clone copies content, owners, labels; rename wants an unused volume', async () => {
    await s.ok('volume', 'create', '--label', 'a=1', 'src')
    await sh(['-v', 'src:/v'], fill)
    assert.equal(await s.ok('volume', 'clone', 'src', 'copy'), 'copy')
    const look = 'cd /v; stat -c "%n %u:%g %a %Y %h" . d d/f h l; cat d/f; readlink l'
    assert.equal(await sh(['-v', 'copy:/v'], look), await sh(['-v', 'src:/v'], look))
    assert.equal(await s.ok('volume', 'ls', '-q', '--filter', 'label=a=1'), 'copy\nsrc')
    await s.fails(1, /a volume named copy exists already/, 'volume', 'clone', 'src', 'copy')
    await s.ok('volume', 'rename', 'copy', 'renamed')
    assert.equal(await sh(['-v', 'renamed:/v'], 'cat /v/h'), 'one')
    await s.ok('create', '-v', 'renamed:/v', 'busybox')
    await s.fails(1, /rename renamed: volume is in use/, 'volume', 'rename', 'renamed', 'other')
  })

  test('export and import bring a volume over, through a file and a pipe', async () => {
    await sh(['-v', 'src:/v'], fill)
    const file = join(s.daemon.home, 'v.tar')
    await s.ok('volume', 'export', '-o', file, 'src')
    assert.equal(await s.ok('volume', 'import', 'copy', file), 'copy')
    const look = 'cd /v; stat -c "%n %u:%g %a %Y %h" . d d/f h l; cat d/f; readlink l'
    assert.equal(await sh(['-v', 'copy:/v'], look), await sh(['-v', 'src:/v'], look))
    await s.fails(1, /has content; --force unpacks over it/, 'volume', 'import', 'copy', file)
    await s.ok('volume', 'import', '--force', 'copy', file)
    const input = gzipSync(readFileSync(file))
    assert.equal((await s.run(['volume', 'import', 'piped', '-'], { input })).code, 0)
    // Hostile, or cut off: nothing is left of it.
    const evil = await tar([{ name: '../../evil', content: 'x' }])
    const outcome = await s.run(['volume', 'import', 'bad', '-'], { input: evil })
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.stderr, /evil/)
    await s.ok('volume', 'create', 'empty')
    assert.notEqual((await s.run(['volume', 'import', 'empty', '-'], { input: evil })).code, 0)
    assert.deepEqual(readdirSync(data('empty')), [])
    assert.equal(await s.ok('volume', 'ls', '-q'), 'copy\nempty\npiped\nsrc')
  })

  test('prune: the plan is what goes, what came into use is spared, the rest comes back bit for bit', async () => {
    await sh(['-v', 'keep:/v'], fill)
    for (const name of ['busy', 'later', 'fresh']) await s.ok('volume', 'create', name)
    await s.ok('create', '--name', 'user', '-v', 'busy:/v', 'busybox')
    await s.ok('create', '--name', 'gone', '-v', '/anon', 'busybox')
    await s.ok('rm', 'gone')
    const before = await state(data('keep'))
    const dry = await s.ok('volume', 'prune', '--dry-run', '--all')
    assert.match(dry, /^keep +4B .*keep for 24 hours$/m)
    assert.match(dry, /^[0-9a-f]{64} +0B .*delete$/m)
    assert.doesNotMatch(dry, /busy/)
    assert.match(dry, /^Total: 4 volumes, 4B$/m)
    assert.doesNotMatch(await s.ok('volume', 'prune', '--dry-run'), /keep|later/)

    // Between the list and the answer: one comes into use, one is replaced by another of its name.
    const prune = s.spawn(['volume', 'prune', '--all'])
    const out: string[] = []
    const err: string[] = []
    prune.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()))
    const ended = new Promise((resolve) => prune.on('close', resolve))
    await new Promise<void>((resolve) =>
      prune.stdout.on('data', (chunk: Buffer) => {
        out.push(chunk.toString())
        if (out.join('').includes('[y/N]')) resolve()
      }),
    )
    await s.ok('create', '--name', 'late', '-v', 'later:/v', 'busybox')
    await s.ok('volume', 'rm', 'fresh')
    await s.ok('volume', 'create', 'fresh')
    prune.stdin.end('y\n')
    assert.equal(await ended, 0)
    assert.match(err.join(''), /^Spared later: .*in use/m)
    assert.match(err.join(''), /^Spared fresh: .*another volume/m)
    assert.equal(await s.ok('volume', 'ls', '-q'), 'busy\nfresh\nlater')
    assert.match(await s.ok('volume', 'trash'), /keep +4B/)

    // A daemon that is killed forgets nothing.
    await s.daemon.killHard()
    await s.daemon.start()
    assert.equal(await s.ok('volume', 'restore', 'keep'), 'keep')
    assert.equal(await state(data('keep')), before)
    await s.fails(1, /restore keep: no such volume in the trash/, 'volume', 'restore', 'keep')

    await s.ok('rm', 'user', 'late')
    await s.ok('volume', 'prune', '-af', '--keep', '0')
    assert.equal(await s.ok('volume', 'ls', '-q'), '')
    assert.equal(await s.ok('volume', 'trash', '-q'), '')
  })

  test('trash goes when its time is over, and when it is emptied', async () => {
    for (const name of ['one', 'two']) await s.ok('volume', 'create', name)
    await s.ok('volume', 'prune', '-af', '--keep', '300ms')
    await s.ok('volume', 'create', 'one')
    await s.ok('volume', 'prune', '-af')
    await sleep(500)
    assert.match(await s.ok('volume', 'trash', '--format', '{{.Name}}'), /^one$/)
    await s.ok('volume', 'create', 'one')
    await s.fails(1, /a volume named one exists already/, 'volume', 'restore', 'one')
    assert.equal(await s.ok('volume', 'restore', '--name', 'back', 'one'), 'back')
    await s.ok('volume', 'prune', '-af')
    assert.equal((await s.ok('volume', 'trash', '--empty', '-f')).split('\n').length, 2)
    assert.deepEqual(readdirSync(join(s.daemon.dataRoot, 'volumes')), [])
  })

  test('mounts of running containers survive a killed daemon; those of ended ones go at boot', async () => {
    const host = join(s.daemon.home, 'host')
    await command(['mkdir', host])
    writeFileSync(join(host, 'file'), 'x')
    await s.ok('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m', 'fast')
    const flags = ['-v', 'fast:/f', '-v', `${host}:/h:idmap=7`, '--mount', 'type=image,src=busybox,dst=/i']
    for (const name of ['stays', 'ends'])
      await s.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '1000')
    await s.ok('run', '-d', '--name', 'alone', ...flags.slice(2), 'busybox', 'sleep', '1000')
    await s.ok('exec', 'stays', 'sh', '-c', 'echo 1 > /f/x')
    const pid = async (name: string) => (await s.inspect<{ State: { Pid: number } }>(name)).State.Pid
    const [first, second] = [await pid('ends'), await pid('alone')]
    await s.daemon.killHard()
    process.kill(first, 'SIGKILL')
    process.kill(second, 'SIGKILL')
    await s.daemon.start()
    assert.equal(await s.ok('exec', 'stays', 'cat', '/f/x', '/h/file'), '1\nx')
    assert.equal(await sh(['-v', 'fast:/f'], 'cat /f/x'), '1')
    await s.ok('rm', '-f', 'stays', 'ends', 'alone')
    assert.equal((await command(['findmnt', '-n', data('fast')])).stdout, '')
    assert.equal(statSync(join(host, 'file')).size, 1)
  })
})
