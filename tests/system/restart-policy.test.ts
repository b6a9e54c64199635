/** Containers that come back by themselves. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, finished, system } from './harness.ts'

interface Inspected {
  RestartCount: number
  State: {
    Status: string
    Running: boolean
    Restarting: boolean
    Pid: number
    ExitCode: number
    Error: string
    StartedAt: string
  }
}

suite('restart policies', () => {
  const s = system()
  const up = (name: string, restart: string, script: string, ...flags: string[]) =>
    s.ok('run', '-d', '--name', name, `--restart=${restart}`, ...flags, 'busybox', 'sh', '-c', script)
  const look = (name: string) => s.inspect<Inspected>(name)
  const becomes = (name: string, status: string) =>
    eventually(async () => assert.equal((await look(name)).State.Status, status), 15_000)

  test('on-failure:2 tries three times in all, waiting longer each time; 0 is no failure', async () => {
    const since = String(Date.now() / 1000)
    await up('fails', 'on-failure:2', 'date +%s%3N; exit 3')
    await becomes('fails', 'exited')
    const { RestartCount, State } = await look('fails')
    assert.deepEqual([RestartCount, State.ExitCode, State.Running], [2, 3, false])
    const events = await s.ok('events', '--since', since, '--until', '0s', '--format', '{{.Action}}')
    assert.deepEqual(
      events.split('\n').filter((line) => line === 'start' || line === 'die'),
      ['start', 'die', 'start', 'die', 'start', 'die'],
    )
    assert.equal((await s.ok('logs', 'fails')).split('\n').length, 3)
    await up('well', 'on-failure', 'exit 0')
    await becomes('well', 'exited')
    assert.equal((await look('well')).RestartCount, 0)
    // The user's start begins to count anew.
    await s.ok('start', 'fails')
    await becomes('fails', 'exited')
    assert.equal((await look('fails')).RestartCount, 2)
  })

  test('restarting: shown as docker does; stop, kill, rm and start know it', async () => {
    await up('loops', 'always', 'exit 5')
    await eventually(async () => assert.ok((await look('loops')).RestartCount >= 5))
    await becomes('loops', 'restarting')
    const { State } = await look('loops')
    assert.deepEqual([State.Running, State.Restarting, State.Pid, State.ExitCode], [true, true, 0, 5])
    assert.match(await s.ok('ps', '--format', '{{.Status}}'), /^Restarting \(5\) .* ago$/)
    assert.equal(await s.ok('ps', '-q', '--filter', 'status=restarting', '--format', '{{.Names}}'), 'loops')
    await s.fails(1, /is restarting, wait until the container is running/, 'exec', 'loops', 'true')
    await s.fails(1, /container is restarting: stop the container/, 'rm', 'loops')
    await s.ok('start', 'loops')
    assert.equal(await s.ok('wait', 'loops'), '5')
    await becomes('loops', 'restarting')
    await s.ok('stop', 'loops')
    assert.equal((await look('loops')).State.Status, 'exited')
    const { StartedAt } = (await look('loops')).State
    await s.ok('start', 'loops')
    await becomes('loops', 'restarting')
    await s.ok('kill', 'loops')
    assert.equal((await look('loops')).State.Status, 'exited')
    assert.notEqual((await look('loops')).State.StartedAt, StartedAt)
    await s.ok('start', 'loops')
    await s.ok('update', '--restart', 'no', 'loops')
    await becomes('loops', 'exited')
    await s.ok('update', '--restart', 'always', 'loops')
    await s.ok('start', 'loops')
    await becomes('loops', 'restarting')
    await s.ok('rm', '-f', 'loops')
    await sleep(1000)
    assert.equal(await s.ok('ps', '-aq'), '')
  })

  test('what the user stops or kills stays so; a signal that the process lives on with is no end', async () => {
    const script = 'trap "exit 0" TERM; trap "touch /hup" HUP; while :; do sleep 0.05; done'
    await up('s1', 'always', script)
    await up('s2', 'always', script)
    await s.ok('stop', 's1')
    assert.equal((await look('s1')).State.Status, 'exited')
    await s.ok('kill', '-s', 'HUP', 's2')
    await eventually(() => s.ok('exec', 's2', 'test', '-e', '/hup'))
    await s.ok('exec', 's2', 'kill', '-TERM', '1')
    await eventually(async () => assert.equal((await look('s2')).RestartCount, 1))
    await becomes('s2', 'running')
    await s.ok('restart', 's2')
    await becomes('s2', 'running')
    assert.equal((await look('s2')).RestartCount, 0)
  })

  test('a start that fails is tried again, until what it lacks is there', async () => {
    const folder = join(s.daemon.home, 'needed')
    mkdirSync(folder)
    writeFileSync(join(folder, 'stay'), '')
    const mount = `type=bind,source=${folder},target=/x`
    await up('needs', 'always', 'while test -e /x/stay; do sleep 0.05; done; exit 1', '--mount', mount)
    renameSync(folder, `${folder}.away`)
    rmSync(join(`${folder}.away`, 'stay'))
    await eventually(async () => assert.match((await look('needs')).State.Error, /needed/))
    assert.equal((await look('needs')).State.Status, 'restarting')
    writeFileSync(join(`${folder}.away`, 'stay'), '')
    renameSync(`${folder}.away`, folder)
    await becomes('needs', 'running')
    assert.equal((await look('needs')).State.Error, '')
  })

  test('they outlive the daemon: what restarts goes on, what unless-stopped was stopped stays', async () => {
    await up('aa', 'always', 'sleep 1000')
    await up('uu', 'unless-stopped', 'sleep 1000')
    await up('stopped', 'unless-stopped', 'sleep 1000')
    await up('always-stopped', 'always', 'sleep 1000')
    await up('ff', 'on-failure', 'sleep 1000')
    await up('no', 'no', 'sleep 1000')
    await up('loop', 'always', 'exit 1')
    await s.ok('stop', 'stopped', 'always-stopped')
    // Stopped, and over only when the daemon that was asked is dead.
    await up('stopping', 'unless-stopped', 'trap "sleep 1; exit 4" TERM; while :; do sleep 0.05; done')
    const stopping = finished(s.spawn(['stop', '-t', '60', 'stopping']), 'stop')
    await sleep(600)
    const before = await look('aa')
    const { Pid } = (await look('uu')).State
    await s.daemon.killHard()
    process.kill(Pid, 'SIGKILL')
    await stopping
    await s.daemon.start()
    await becomes('stopping', 'exited')
    assert.equal((await look('stopping')).State.ExitCode, 4)
    assert.equal((await look('aa')).State.Pid, before.State.Pid)
    await becomes('uu', 'running')
    assert.notEqual((await look('uu')).State.Pid, Pid)
    await becomes('always-stopped', 'running')
    assert.equal((await look('stopped')).State.Status, 'exited')
    const count = (await look('loop')).RestartCount
    await eventually(async () => assert.ok((await look('loop')).RestartCount > count))
    // An orderly end of the daemon is not the user's.
    await s.daemon.stop()
    await s.daemon.start()
    for (const name of ['aa', 'uu', 'always-stopped', 'ff']) await becomes(name, 'running')
    for (const name of ['stopped', 'no']) assert.equal((await look(name)).State.Status, 'exited')
  })
})
