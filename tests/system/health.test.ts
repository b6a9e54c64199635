/** Health checks that the daemon runs. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { suite, test } from 'node:test'
import { eventually, system } from './harness.ts'

interface Inspected {
  Id: string
  State: {
    Status: string
    Pid: number
    Health?: {
      Status: string
      FailingStreak: number
      Log: { Start: string; End: string; ExitCode: number; Output: string }[]
    }
  }
}

suite('health checks', () => {
  const s = system()
  const up = (name: string, ...flags: string[]) =>
    s.ok(
      'run',
      '-d',
      '--name',
      name,
      '--health-interval',
      '200ms',
      '--health-start-interval',
      '200ms',
      ...flags,
      'busybox',
      'sleep',
      '1000',
    )
  const health = async (name: string) => (await s.inspect<Inspected>(name)).State.Health
  const becomes = (name: string, status: string) =>
    eventually(async () => assert.equal((await health(name))?.Status, status))

  test('starting, healthy, unhealthy: in inspect, ps, its filter and the events', async () => {
    const since = String(Date.now() / 1000)
    const check = 'test -e /ready && test ! -e /ill && echo fine'
    await up('web', '--health-cmd', check, '--health-retries', '2', '--health-start-period', '1m')
    assert.equal((await health('web'))?.Status, 'starting')
    assert.match(await s.ok('ps', '--format', '{{.Status}}'), /^Up .* \(health: starting\)$/)
    assert.equal(await s.ok('ps', '-q', '--filter', 'health=healthy'), '')
    await s.ok('exec', 'web', 'touch', '/ready')
    await becomes('web', 'healthy')
    assert.match(await s.ok('ps', '--format', '{{.Status}}'), /^Up .* \(healthy\)$/)
    assert.equal(await s.ok('ps', '--filter', 'health=healthy', '--format', '{{.Names}}'), 'web')
    const first = (await health('web'))?.Log.find((result) => result.ExitCode === 0)
    assert.deepEqual([first?.ExitCode, first?.Output], [0, 'fine\n'])
    assert.ok(Date.parse(first?.End ?? '') >= Date.parse(first?.Start ?? ''))
    await s.ok('exec', 'web', 'touch', '/ill')
    await becomes('web', 'unhealthy')
    assert.ok(((await health('web'))?.FailingStreak ?? 0) >= 2)
    await eventually(async () => assert.equal((await health('web'))?.Log.length, 5))
    assert.equal(await s.ok('ps', '--filter', 'health=unhealthy', '--format', '{{.Names}}'), 'web')
    await s.ok('stop', 'web')
    const events = await s.ok('events', '--since', since, '--until', '0s', '--format', '{{.Action}}')
    assert.deepEqual(
      events.split('\n').filter((line) => line.startsWith('health_status')),
      ['health_status: healthy', 'health_status: unhealthy'],
    )
    await s.fails(1, /unrecognized filter value for health: well/, 'ps', '--filter', 'health=well')
  })

  test('a time-out kills all that the check started, and leaves no zombie', async () => {
    const check = 'echo slow; sleep 1001 & sh -c "sleep 1002; true"; echo never'
    await up('slow', '--health-cmd', check, '--health-timeout', '300ms', '--health-retries', '1')
    await becomes('slow', 'unhealthy')
    const log = (await health('slow'))?.Log[0]
    assert.deepEqual([log?.ExitCode, log?.Output], [-1, 'Health check exceeded timeout (300ms): slow\n'])
    await s.ok('pause', 'slow')
    await s.ok('unpause', 'slow')
    await eventually(async () => assert.ok(((await health('slow'))?.FailingStreak ?? 0) > 2))
    await s.ok('pause', 'slow')
    await s.ok('unpause', 'slow')
    const { Id, State } = await s.inspect<Inspected>('slow')
    await eventually(async () => {
      const { Processes } = await s.daemon.json<{ Processes: string[][] }>(
        'GET',
        `/containers/${Id}/top?ps_args=-eo%20pid,stat,args`,
      )
      const old = Processes.filter(([pid]) => Number(pid) !== State.Pid)
      assert.ok(old.length <= 4, JSON.stringify(old))
      assert.deepEqual(
        old.filter(([, stat]) => stat?.startsWith('Z')),
        [],
      )
    })
  })

  test('output is cut at 4096 bytes, whatever there is of it; a check that cannot be run fails', async () => {
    await up('loud', '--health-cmd', 'yes | head -c 100000')
    await becomes('loud', 'healthy')
    assert.equal((await health('loud'))?.Log[0]?.Output.length, 4096 + 3)
    await s.daemon.json('POST', '/containers/create?name=none', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      Healthcheck: { Test: ['CMD', 'no-such-program'], Interval: 2e8, Retries: 1 },
    })
    await s.ok('start', 'none')
    await becomes('none', 'unhealthy')
    const log = (await health('none'))?.Log[0]
    assert.equal(log?.ExitCode, -1)
    assert.match(log?.Output ?? '', /no-such-program.*executable file not found/)
  })

  test('failures of the start period do not count; the start interval holds until the first success', async () => {
    await up(
      'early',
      '--health-cmd=test -e /ready',
      ...'--health-interval 1h --health-start-interval 100ms --health-start-period 1h'.split(' '),
      '--health-retries=1',
    )
    await eventually(async () => assert.ok(((await health('early'))?.Log.length ?? 0) > 2))
    assert.equal((await health('early'))?.Status, 'starting')
    await s.ok('exec', 'early', 'touch', '/ready')
    await becomes('early', 'healthy')
  })

  test('the check comes from the image, and can be switched off', async () => {
    await s.ok('create', '--name', 'off', '--no-healthcheck', 'busybox', 'true')
    await s.ok('start', 'off')
    assert.equal(await health('off'), undefined)
    await s.run(['build', '-t', 'checked', '-'], {
      input: 'FROM busybox\nHEALTHCHECK --interval=200ms CMD echo image\nCMD ["sleep", "1000"]\n',
    })
    await s.ok('run', '-d', '--name', 'inherits', 'checked')
    await becomes('inherits', 'healthy')
    assert.equal((await health('inherits'))?.Log[0]?.Output, 'image\n')
    await s.ok('run', '-d', '--name', 'without', '--no-healthcheck', 'checked')
    assert.equal(await health('without'), undefined)
    assert.equal(await s.ok('ps', '--filter', 'health=none', '--format', '{{.Names}}'), 'without')
  })

  test('it goes on under the next daemon, which ends the check that was under way', async () => {
    await up('kept', '--health-cmd', 'test -e /hang && sleep 1003; test ! -e /ill', '--health-retries', '1')
    await becomes('kept', 'healthy')
    await s.ok('exec', 'kept', 'touch', '/hang')
    const { State } = await s.inspect<Inspected>('kept')
    const hanging = () => s.ok('exec', 'kept', 'sh', '-c', 'grep -l 100[3] /proc/[0-9]*/cmdline || true')
    await eventually(async () => assert.match(await hanging(), /cmdline/))
    await s.daemon.killHard()
    rmSync(`/proc/${State.Pid}/root/hang`)
    await s.daemon.start()
    const found = await s.inspect<Inspected>('kept')
    assert.equal(found.State.Pid, State.Pid)
    assert.equal(found.State.Health?.Status, 'healthy')
    await s.ok('exec', 'kept', 'touch', '/ill')
    await becomes('kept', 'unhealthy')
    await eventually(async () => assert.equal(await hanging(), ''))
    await s.ok('stop', 'kept')
    assert.equal((await health('kept'))?.Status, 'unhealthy')
  })
})
