import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { enlargeOutputPipes, enlargeSendBuffers } from './foreign-fds.ts'
import { pipe } from './pipe.ts'
import { closeFd, setNonBlocking, socketPair } from './socket.ts'
import { writeSome } from './transfer.ts'

/** A process with that as its standard output. */
function holder(output: number) {
  const child = spawn('sleep', ['100'], { stdio: ['ignore', output, 'ignore'] })
  // Node gives it a blocking one, which is ours as well.
  setNonBlocking(output)
  return { pid: child.pid ?? 0, [Symbol.dispose]: () => void child.kill() }
}

/** How much goes in before somebody must read. */
const room = (fd: number) => writeSome(fd, Buffer.alloc(4 << 20))

test('enlargeOutputPipes(): a process finds more room in its pipe', () => {
  const { read, write } = pipe()
  using process = holder(write)
  enlargeOutputPipes(process.pid, 256 << 10)
  assert.equal(room(write), 256 << 10)
  for (const fd of [read, write]) closeFd(fd)
})

test('enlargeSendBuffers(): a process finds more room in its sockets', () => {
  const [near, far] = socketPair()
  using process = holder(near)
  const before = room(near)
  assert.ok(typeof before === 'number' && before < 1 << 20)
  enlargeSendBuffers(process.pid, 1 << 20)
  assert.ok(Number(room(near)) > 1 << 19)
  for (const fd of [near, far]) closeFd(fd)
})

test('a process that has gone, or writes no pipe, is left alone', () => {
  enlargeOutputPipes(0x3fffff, 1 << 20)
  enlargeSendBuffers(0x3fffff, 1 << 20)
  const [near, far] = socketPair()
  using process = holder(near)
  enlargeOutputPipes(process.pid, 1 << 20)
  for (const fd of [near, far]) closeFd(fd)
})
