import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { spawnChild, type Child } from './child.ts'

const output = async (child: Child) => {
  const closed = once(child, 'close')
  assert.ok(child.stdout)
  return { out: await text(child.stdout), closed: await closed }
}

test('spawnChild() runs a program and gives its output and exit code', async () => {
  const child = spawnChild('sh', ['-c', 'echo "$A"; pwd; exit 3'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { A: 'ü', PATH: process.env['PATH'] },
    cwd: '/',
  })
  assert.deepEqual(await output(child), { out: 'ü\n/\n', closed: [3, null] })
})

test('spawnChild(): stdin is a pipe whose end is seen', async () => {
  const child = spawnChild('cat', [], { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin?.end('hello')
  assert.equal((await output(child)).out, 'hello')
})

test('spawnChild(): a child has default signals and no descriptors but those it was given', async () => {
  const child = spawnChild('sh', ['-c', 'grep SigIgn /proc/self/status; ls /proc/self/fd'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { out } = await output(child)
  // glibc leaves its own two (32, 33) ignored, which nobody else may use; ls itself opens 3.
  assert.match(out, /^SigIgn:\t0000000[01]80000000\n0\n1\n2\n3\n$|^SigIgn:\t0000000000000000\n0\n1\n2\n3\n$/)
})

test('spawnChild(): /dev/stdout can be opened anew', async () => {
  const child = spawnChild('sh', ['-c', 'echo x > /dev/stdout'], { stdio: ['ignore', 'pipe', 'ignore'] })
  assert.equal((await output(child)).out, 'x\n')
})

test('spawnChild(): a missing program is an error event, and nothing stays open', async () => {
  const before = readdirSync('/proc/self/fd').length
  const child = spawnChild('/nope/nothing', [], { stdio: ['pipe', 'pipe', 'pipe'] })
  const [error] = (await once(child, 'close').catch((reason: unknown) => [reason])) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ENOENT')
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(readdirSync('/proc/self/fd').length <= before)
})

test('spawnChild(): a death by signal is told, also beside children of Node', async () => {
  const other = spawn('sleep', ['0.05'])
  const otherEnded = once(other, 'exit')
  const child = spawnChild('sleep', ['100'], { stdio: ['ignore', 'ignore', 'ignore'] })
  const ended = once(child, 'exit')
  assert.equal(child.kill('SIGKILL'), true)
  assert.deepEqual(await ended, [null, 'SIGKILL'])
  assert.equal(child.kill(), false)
  const [code] = (await otherEnded) as [number]
  assert.equal(code, 0)
})

test('spawnChild(): many at once', async () => {
  const codes = await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      const child = spawnChild('sh', ['-c', `exit ${n}`], { stdio: ['ignore', 'ignore', 'ignore'] })
      return ((await once(child, 'exit')) as [number])[0]
    }),
  )
  assert.deepEqual(
    codes,
    Array.from({ length: 60 }, (_, n) => n),
  )
})
