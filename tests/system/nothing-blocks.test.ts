/** One container that does not answer is its own affair: the daemon and the others go on. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { eventually, finished, system } from './harness.ts'

interface Inspected {
  Id: string
  State: { Status: string; Pid: number; Health?: { Log: unknown[] } }
}

/** What everybody else may wait for, with other tests beside. Milliseconds. */
const patience = 5000

suite('a container that hangs', () => {
  const s = system()

  /** Freezes all its processes behind the daemon's back. */
  const freeze = (id: string, frozen: boolean) => {
    const place = `/sys/fs/cgroup/freezer${s.daemon.cgroupParent}/${id}/freezer.state`
    if (existsSync(place)) writeFileSync(place, frozen ? 'FROZEN' : 'THAWED')
    else writeFileSync(`/sys/fs/cgroup${s.daemon.cgroupParent}/${id}/cgroup.freeze`, frozen ? '1' : '0')
  }

  const othersGoOn = async () => {
    const timed = async (...args: string[]) => {
      const started = performance.now()
      const out = await s.ok(...args)
      const took = performance.now() - started
      assert.ok(took < patience, `${args.join(' ')} took ${took} ms`)
      return out
    }
    assert.match(await timed('ps'), /stuck/)
    await timed('inspect', 'stuck')
    await timed('logs', 'stuck')
    assert.equal(await timed('run', '--rm', 'busybox', 'echo', 'hello'), 'hello')
    assert.equal(await timed('exec', 'well', 'echo', 'hello'), 'hello')
    await timed('restart', '-t', '0', 'well')
  }

  test('frozen by somebody else, with a health check, a command, a stop and a removal under way', async () => {
    await s.ok('run', '-d', '--name', 'well', 'busybox', 'sleep', '1000')
    const check = ['--health-cmd', 'echo fine', '--health-interval', '100ms', '--health-timeout', '500ms']
    await s.ok(
      'run',
      '-d',
      '--name',
      'stuck',
      ...check,
      'busybox',
      'sh',
      '-c',
      'while :; do echo x; sleep 0.1; done',
    )
    await eventually(async () => assert.ok((await s.inspect<Inspected>('stuck')).State.Health?.Log.length))
    const { Id } = await s.inspect<Inspected>('stuck')
    freeze(Id, true)
    const hanging = [
      s.spawn(['exec', 'stuck', 'true']),
      s.spawn(['top', 'stuck']),
      s.spawn(['stop', '-t', '60', '-s', 'USR1', 'stuck']),
      s.spawn(['logs', '-f', 'stuck']),
      s.spawn(['wait', 'stuck']),
    ]
    const ends = hanging.map((child) => finished(child, 'a command on the frozen container'))
    await othersGoOn()
    // A kill thaws what it kills.
    await s.ok('kill', 'stuck')
    assert.equal((await s.inspect<Inspected>('stuck')).State.Status, 'exited')
    await Promise.all(ends)
    await s.ok('rm', 'stuck')
  })

  test('paused, with many clients that wait for it', async () => {
    await s.ok('run', '-d', '--name', 'well', 'busybox', 'sleep', '1000')
    await s.ok(
      'run',
      '-d',
      '--name',
      'stuck',
      'busybox',
      'sh',
      '-c',
      'trap "" TERM; while :; do sleep 0.1; done',
    )
    await s.ok('pause', 'stuck')
    const waiting = Array.from({ length: 20 }, () => s.daemon.api('POST', '/containers/stuck/wait'))
    const stopping = s.spawn(['stop', '-t', '4', 'stuck'])
    const stopped = finished(stopping, 'stop')
    await othersGoOn()
    await stopped
    for (const { status } of await Promise.all(waiting)) assert.equal(status, 200)
  })
})
