/** Why a container ended, told by `why`, `inspect`, `run`, `stop` and the die event. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { eventually, system } from './harness.ts'

interface Inspected {
  State: { Status: string; Pid: number; ExitCode: number; Reason?: { Kind: string; Text: string } }
}

const scripts = String.raw`FROM busybox
RUN printf '#!/bin/sh\r\necho hi\r\n' > /crlf.sh; printf '#!/bin/bash\necho hi\n' > /bash.sh
RUN printf 'echo hi\n' > /plain.sh; printf '#!/bin/sh\n' > /mode.sh
RUN printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0\357\276\001\0\0\0%64s' x > /alien
RUN chmod +x /crlf.sh /bash.sh /plain.sh /alien
`

suite('why a container ended', () => {
  const s = system()
  const reason = async (name: string) => {
    const { Kind, Text } = (await s.inspect<Inspected>(name)).State.Reason ?? { Kind: '', Text: '' }
    return `${Kind}: ${Text}`
  }
  const ended = (name: string) =>
    eventually(async () => assert.equal((await s.inspect<Inspected>(name)).State.Status, 'exited'))
  const up = async (name: string, script: string, ...flags: string[]) => {
    await s.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sh', '-c', script)
  }
  const loop = 'while :; do sleep 0.1; done'

  test('its own end, and signals from elsewhere', async () => {
    await up('own', 'echo last words; exit 3')
    await ended('own')
    assert.match(await reason('own'), /^exit: it ended by itself with code 3/)
    const why = await s.ok('why', 'own')
    assert.match(why, /^own ended .* ago with code 3, after /)
    assert.match(why, /Why: it ended by itself with code 3/)
    assert.match(why, /Last lines of its log:\n {2}last words$/)
    const told = JSON.parse(await s.ok('why', '--format', 'json', 'own')) as Record<string, unknown>
    assert.deepEqual([told['Name'], told['ExitCode'], told['Log']], ['own', 3, ['last words']])
    await up('segv', 'sh -c "kill -SEGV \\$\\$"; exit 139')
    await ended('segv')
    assert.match(await reason('segv'), /^signal: ended by SIGSEGV \(it used memory/)
    await up('alien', loop)
    process.kill((await s.inspect<Inspected>('alien')).State.Pid, 'SIGKILL')
    await ended('alien')
    assert.match(await reason('alien'), /^signal: killed by SIGKILL, which was not sent through Gantry/)
  })

  test('what the user did; a stop that took force says so in one line', async () => {
    const since = String(Date.now() / 1000)
    await up('handles', `trap 'exit 4' TERM; ${loop}`)
    assert.equal((await s.run(['stop', 'handles'])).stderr, '')
    assert.equal(await reason('handles'), 'stopped: the user sent SIGTERM, and it ended with code 4')
    await up('deaf', 'exec sleep 1000')
    const deaf = await s.run(['stop', 'deaf'])
    assert.match(
      deaf.stderr,
      /^gantry: deaf: killed at once: its first process has no handler for SIGTERM.*\n$/,
    )
    await up('stubborn', `trap '' TERM; ${loop}`)
    const stubborn = await s.run(['stop', '-t', '1', 'stubborn'])
    assert.match(stubborn.stderr, /^gantry: stubborn: the user sent SIGTERM, .*still ran 1 s later\n$/)
    await up('killed', loop)
    await s.ok('kill', 'killed')
    assert.equal(await reason('killed'), 'killed: the user sent SIGKILL')
    const format = '{{.Actor.Attributes.name}} {{.Actor.Attributes.reason}}'
    const events = await s.ok(
      'events',
      '--since',
      since,
      '--until',
      '0s',
      '-f',
      'event=die',
      '--format',
      format,
    )
    assert.match(events, /^deaf killed at once: /m)
  })

  test('a stop without grace sends the stop signal before it kills', async () => {
    const handled = 'trap "echo asked" TERM; while :; do sleep 1; done'
    await up('graceless', handled)
    const since = Date.now() / 1000
    await s.ok('restart', '-t', '0', 'graceless')
    const events = await s.ok('events', '--since', String(since), '--until', '0s', '-f', 'event=kill')
    assert.deepEqual(
      [...events.matchAll(/signal=(\d+)/g)].map(([, signal]) => signal),
      ['15', '9'],
    )
    await s.ok('rm', '-f', 'graceless')
  })

  test('the memory limit: which process, how much', async () => {
    const run = await s.run(['run', '--name', 'oom', '-m', '16m', 'busybox', 'tail', '/dev/zero'])
    assert.equal(run.code, 137)
    assert.match(run.stderr, /^gantry: memory limit: the kernel killed /m)
    assert.match(await reason('oom'), /^memory-limit: .*at the container's limit of 16MiB/)
    // The kernel's log names it, where it may be read.
    assert.match(await reason('oom'), /killed (tail \(pid \d+\), which held \S+,|a process of it) /)
  })

  test('commands that cannot run are explained, with what to do', async () => {
    assert.equal((await s.run(['build', '-t', 'bad', '-'], { input: scripts })).code, 0)
    const run = async (...words: string[]) => {
      const { code, stderr } = await s.run(['run', '--rm', ...words])
      return `${code} ${stderr}`
    }
    assert.match(await run('bad', '/crlf.sh'), /^1 .*\ngantry: \/crlf\.sh has Windows line ends/s)
    assert.match(await run('bad', '/bash.sh'), /\ngantry: \/bash\.sh wants the interpreter \/bin\/bash/)
    assert.match(await run('bad', '/plain.sh'), /\ngantry: \/plain\.sh is neither a program nor a script/)
    assert.match(await run('bad', '/alien'), /\ngantry: \/alien is built for machine 48879/)
    assert.match(
      await run('bad', '/mode.sh'),
      /^126 .*permission denied: unknown\n\/mode\.sh is not executable/s,
    )
    assert.match(await run('bad', 'slep'), /^127 .*not found in \$PATH: unknown\nno program "slep".*sleep\?/s)
    assert.match(await run('-v', '/tmp:/x', '-w', '/x', 'bad', './none.sh'), /^127 .*does not exist/s)
    const few = await s.run(['run', '--rm', '--ulimit', 'nofile=4', 'busybox', 'true'])
    assert.equal(few.code, 125)
    assert.match(few.stderr, /\n--ulimit nofile=4 leaves too few open files/)
    await s.run(['run', '--name', 'mode', 'bad', '/mode.sh'])
    const why = await s.ok('why', 'mode')
    assert.match(why, /^mode could not be started\.\nWhy: \/mode\.sh is not executable/)
  })

  test('health and restarts are part of it', async () => {
    await up(
      'web',
      'sleep 0.7; exit 6',
      '--restart',
      'always',
      ...'--health-interval 100ms'.split(' '),
      '--health-cmd',
      'echo refused; exit 2',
    )
    await eventually(async () => {
      const why = await s.ok('why', 'web')
      assert.match(why, /ended .* with code 6/)
      assert.match(why, /Restart policy always: restarted (once|\d+ times)/)
      assert.match(why, / {2}failed \(2\) {2}refused/)
    })
  })
})
