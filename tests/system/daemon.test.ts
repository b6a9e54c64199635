import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { command, Daemon, eventually, finished, freePort, root, sweep, system } from './harness.ts'
import { difference, snapshot } from './leaks.ts'
import { get } from './scenarios/network.ts'

suite('nothing is lost when the daemon dies', () => {
  const s = system()
  const d = s.daemon

  test('containers run on through kill -9 and restart, with logs and exit codes', async () => {
    await s.ok(
      'run',
      '-d',
      '--name',
      'writer',
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do echo $((i+=1)); sleep 0.02; done',
    )
    await s.ok('run', '-d', '--name', 'ends', 'busybox', 'sh', '-c', 'sleep 1; echo last words; exit 23')
    await s.ok('run', '-d', '--rm', '--name', 'gone', 'busybox', 'sleep', '1')
    const pid = await s.ok('inspect', '--format', '{{.State.Pid}}', 'writer')
    await d.killHard()
    await sleep(1500)
    await d.start()
    assert.equal(
      await s.ok('inspect', '--format', '{{.State.Status}} {{.State.Pid}}', 'writer'),
      `running ${pid}`,
    )
    assert.equal(
      await s.ok('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', 'ends'),
      'exited 23',
    )
    assert.equal(await s.ok('logs', 'ends'), 'last words')
    assert.equal(await s.ok('wait', 'ends'), '23')
    await eventually(async () =>
      assert.doesNotMatch(await s.ok('ps', '-a', '--format', '{{.Names}}'), /gone/),
    )
    const numbers = (await s.ok('logs', 'writer')).split('\n').map(Number)
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
    )
    assert.ok(numbers.length > 60, `${numbers.length} lines`)
    assert.equal(await s.ok('exec', 'writer', 'echo', 'still here'), 'still here')
    await s.ok('stop', '-t', '0', 'writer')
    assert.equal(
      await s.ok('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', 'writer'),
      'exited 137',
    )
    await s.ok('start', 'writer')
  })

  test('published ports work while the daemon is away and after it is back', async () => {
    const port = await freePort()
    await s.ok(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      `${port}:8080`,
      'busybox',
      'sh',
      '-c',
      'mkdir /w; echo hi > /w/index.html; exec httpd -f -p 8080 -h /w',
    )
    const fetch = () =>
      eventually(async () => assert.equal((await command(get(`127.0.0.1:${port}`))).stdout, 'hi\n'))
    await fetch()
    await d.killHard()
    await fetch()
    await d.start()
    await fetch()
    await s.fails(125, /port is already allocated/, 'run', '--rm', '-p', `${port}:1`, 'busybox', 'true')
  })

  test('attached clients end, the container does not', async () => {
    const child = s.spawn(['run', '--name', 'held', 'busybox', 'sh', '-c', 'echo up; sleep 1000'])
    const ended = finished(child, 'run')
    await eventually(async () => assert.equal(await s.ok('logs', 'held'), 'up'))
    await d.killHard()
    assert.notEqual((await ended).code, 0)
    await d.start()
    assert.equal(await s.ok('inspect', '--format', '{{.State.Running}}', 'held'), 'true')
  })

  test('half-made things of a crash are cleaned up at the next start', { timeout: 120_000 }, async () => {
    const calm = snapshot(d.places)
    for (let round = 0; round < 4; round++) {
      const context = join(d.home, `crash${round}`)
      await command([
        'sh',
        '-c',
        `mkdir -p ${context} && printf 'FROM busybox\\nRUN sleep 0.3; echo ${round} > /f\\nRUN sleep 0.3\\n' > ${context}/Dockerfile`,
      ])
      const started = [
        ...Array.from({ length: 6 }, () => s.spawn(['run', '-d', 'busybox', 'sleep', '1000'])),
        ...Array.from({ length: 2 }, () => s.spawn(['run', '--rm', 'busybox', 'sleep', '0.2'])),
        s.spawn(['build', '--progress=plain', context]),
      ].map((child) => finished(child, 'client'))
      await sleep(150 + round * 170)
      await d.killHard()
      await Promise.all(started)
      await d.start()
      for (const line of (await s.ok('ps', '-a', '--format', '{{.ID}} {{.State}}'))
        .split('\n')
        .filter(Boolean)) {
        const [id = '', state] = line.split(' ')
        assert.ok(['created', 'running', 'exited'].includes(state ?? ''), line)
        if (state === 'running') assert.equal(await s.ok('exec', id, 'echo', 'ok'), 'ok')
        if (state === 'created') await s.ok('start', id)
      }
      const keep = new Set((await s.ok('images', '-q', '--no-trunc', 'busybox')).split('\n'))
      await sweep(d, keep)
      await eventually(() => assert.deepEqual(difference(calm, snapshot(d.places)), []), 5000)
    }
  })

  test('a graceful restart keeps everything that is recorded', async () => {
    await s.ok('create', '--name', 'made', '-l', 'k=v', 'busybox', 'echo', 'later')
    await s.ok('volume', 'create', 'vol')
    await d.stop()
    await d.start()
    assert.equal(await s.ok('ps', '-a', '--filter', 'label=k=v', '--format', '{{.Names}}'), 'made')
    assert.equal(await s.ok('volume', 'ls', '-q'), 'vol')
    assert.equal(await s.ok('start', '-a', 'made'), 'later')
  })

  test('a container whose monitor was killed runs on, and its end is noticed', async () => {
    const monitor = async (name: string) => {
      const id = await s.ok('inspect', '--format', '{{.Id}}', name)
      return Number(readFileSync(`${d.execRoot}/c/${id.slice(0, 32)}/conmon.pid`, 'utf8'))
    }
    await s.ok('run', '-d', '--name', 'orphan', 'busybox', 'sleep', '1000')
    process.kill(await monitor('orphan'), 'SIGKILL')
    assert.equal(await s.ok('exec', 'orphan', 'echo', 'alive'), 'alive')
    await s.ok('kill', 'orphan')
    assert.equal(
      await s.ok('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', 'orphan'),
      'exited 255',
    )
    await s.ok('start', 'orphan')
    process.kill(await monitor('orphan'), 'SIGKILL')
    await s.ok('rm', '-f', 'orphan')
  })

  // crun takes the socket of systemd's services for its container's.
  test('containers are none of the service manager’s business', async () => {
    await d.stop()
    await d.start({ NOTIFY_SOCKET: `@gantry-test-${d.tag}` })
    assert.equal(await s.ok('run', '--rm', 'busybox', 'sh', '-c', 'echo "[$NOTIFY_SOCKET]"'), '[]')
    await s.ok('run', '-d', '--name', 'served', 'busybox', 'sleep', '100')
    assert.equal(await s.ok('exec', 'served', 'sh', '-c', 'echo "[$NOTIFY_SOCKET]"'), '[]')
    await d.stop()
    await d.start()
  })

  test('the process is named gantryd', () => {
    assert.equal(readFileSync(`/proc/${d.pid}/comm`, 'utf8').trim(), 'gantryd')
  })

  test('a second daemon on the same roots is refused', async () => {
    const args = [
      ...d.arguments().filter((flag) => !flag.startsWith('--host')),
      `--host=unix://${d.home}/other`,
    ]
    const child = spawn(join(root, 'bin/gantryd'), args, {
      stdio: 'pipe',
    })
    child.stdin.end()
    const { code, stderr } = await finished(child, 'gantryd')
    assert.notEqual(code, 0)
    assert.match(stderr, /already|in use|locked|running|listens/i)
    assert.equal((await d.api('GET', '/_ping')).status, 200)
  })
})

suite('the daemon and its configuration', () => {
  async function gantryd(args: string[], options: { user?: string } = {}) {
    const argv = [join(root, 'bin/gantryd'), ...args]
    return command(options.user ? ['setpriv', `--reuid=${options.user}`, '--clear-groups', ...argv] : argv, {
      timeout: 10_000,
    })
  }
  const oneLine = (text: string) => {
    assert.equal(text.trim().split('\n').length, 1, text)
    assert.doesNotMatch(text, /\n\s+at /)
  }

  test('an unknown key of daemon.json is named and refused', async () => {
    const d = new Daemon()
    writeFileSync(join(d.home, 'daemon.json'), '{"data-rot": "/x"}')
    const { code, stderr } = await gantryd(d.arguments())
    d.dispose()
    assert.notEqual(code, 0)
    assert.match(stderr, /data-rot/)
    oneLine(stderr)
  })

  test('a flag and a key that say the same thing twice are refused', async () => {
    const d = new Daemon()
    writeFileSync(join(d.home, 'daemon.json'), '{"bridge": "other"}')
    const { code, stderr } = await gantryd(d.arguments())
    d.dispose()
    assert.notEqual(code, 0)
    assert.match(stderr, /bridge: \(from flag: .*, from file: .*\)/)
  })

  test('an unknown flag is named and refused', async () => {
    const { code, stderr } = await gantryd(['--nosuch'])
    assert.notEqual(code, 0)
    assert.match(stderr, /unknown flag: --nosuch/)
  })

  test('a start that fails says why and leaves nothing in the kernel', async () => {
    const d = new Daemon()
    const calm = snapshot(d.places)
    writeFileSync(join(d.home, 'daemon.json'), '{}')
    const { code, stderr } = await gantryd([
      ...d.arguments().filter((flag) => !flag.startsWith('--bridge')),
      '--bridge=lo',
    ])
    assert.notEqual(code, 0)
    assert.match(stderr, /cannot use lo as the bridge: it is a link of another kind/)
    // Its folders stay, for the next start.
    const left = () => difference(calm, snapshot(d.places)).filter((line) => !/^(run|disk) left/.test(line))
    await eventually(() => assert.deepEqual(left(), []), 5000)
    d.dispose()
  })

  test('without root it says so', async () => {
    const { code, stderr } = await gantryd([], { user: '65534' })
    assert.notEqual(code, 0)
    assert.match(stderr, /root/)
    oneLine(stderr)
  })

  test('without a daemon the client says so in one sentence', async () => {
    const { code, stderr } = await command([join(root, 'bin/gantry'), '-H', 'unix:///run/gt-none/s', 'ps'])
    assert.equal(code, 1)
    assert.match(stderr, /Cannot connect to the .* daemon at unix:\/\/\/run\/gt-none\/s/)
    oneLine(stderr)
  })

  test('threads come with the first work for them', async () => {
    const d = new Daemon()
    const threads = () =>
      readdirSync(`/proc/${d.pid}/task`).map((id) =>
        readFileSync(`/proc/${d.pid}/task/${id}/comm`, 'utf8').trim(),
      )
    try {
      await d.start()
      for (const name of ['gantry-files', 'gantry-network', 'gantry-dns', 'gantry-relay'])
        assert.ok(!threads().includes(name), `${name} runs without work: ${threads().join(' ')}`)
    } finally {
      await d.stop()
      d.dispose()
    }
  })

  test('two daemons on one host do not meet', async () => {
    const [a, b] = [new Daemon(), new Daemon()]
    try {
      await Promise.all([a.start(), b.start()])
      const names = await Promise.all([a, b].map((d) => d.json<{ Name: string }>('GET', '/info')))
      assert.equal(names.length, 2)
      assert.deepEqual(await a.json('GET', '/containers/json?all=1'), [])
    } finally {
      await Promise.all([a.stop(), b.stop()])
      a.dispose()
      b.dispose()
    }
  })
})
