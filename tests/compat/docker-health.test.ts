/** Health checks and restart policies as docker's own client shows them. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { eventually, missing, system } from '../system/harness.ts'

suite('health and restarts, through docker', { skip: missing('docker') }, () => {
  const s = system('docker')

  test('run --health-*, ps, its filter, inspect, events', async () => {
    const since = String(Math.floor(Date.now() / 1000))
    const check = ['--health-cmd', 'test ! -e /ill', '--health-interval', '200ms', '--health-retries', '1']
    await s.ok('run', '-d', '--name', 'web', ...check, 'busybox', 'sleep', '1000')
    const status = (wanted: string) =>
      eventually(async () =>
        assert.equal(await s.ok('inspect', '-f', '{{.State.Health.Status}}', 'web'), wanted),
      )
    await status('healthy')
    assert.match(
      await s.ok('ps', '--filter', 'health=healthy', '--format', '{{.Names}} {{.Status}}'),
      /^web Up .* \(healthy\)$/,
    )
    await s.ok('exec', 'web', 'touch', '/ill')
    await status('unhealthy')
    const last = '{{range .State.Health.Log}}{{.ExitCode}} {{end}}{{.State.Health.FailingStreak}}'
    assert.match(await s.ok('inspect', '-f', last, 'web'), /1 \d+$/)
    // Docker's client would make whole seconds of `0s`.
    const until = String(Date.now() / 1000)
    const events = await s.ok('events', '--since', since, '--until', until, '--filter', 'event=health_status')
    assert.match(events, /health_status: healthy .*\n.*health_status: unhealthy /)
  })

  test('run --restart, update --restart, wait', async () => {
    const run = await s.run([
      'run',
      '--name',
      'again',
      '--restart',
      'on-failure:2',
      'busybox',
      'sh',
      '-c',
      'echo once; exit 3',
    ])
    assert.deepEqual([run.code, run.stdout], [3, 'once\n'])
    await eventually(async () =>
      assert.equal(await s.ok('inspect', '-f', '{{.RestartCount}} {{.State.Status}}', 'again'), '2 exited'),
    )
    assert.equal(await s.ok('logs', 'again'), 'once\nonce\nonce')
    await s.ok('update', '--restart', 'always', 'again')
    await s.ok('start', 'again')
    await eventually(async () =>
      assert.match(await s.ok('ps', '--format', '{{.Status}}'), /^Restarting \(3\) .* ago$/),
    )
    assert.equal(await s.ok('wait', 'again'), '3')
    await s.ok('stop', 'again')
    assert.equal(await s.ok('inspect', '-f', '{{.State.Status}}', 'again'), 'exited')
    await s.fails(
      1,
      /invalid restart policy: unknown policy 'sometimes'/,
      'create',
      '--restart',
      'sometimes',
      'busybox',
    )
  })
})
