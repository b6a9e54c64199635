/** A lot of output and input: none is lost, and none of it stays in the daemon. */
import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { finished, system } from './harness.ts'

const megabyte = 1 << 20

/** Bytes that differ from block to block, so that one that is lost or out of place shows. */
function* blocks(count: number): Generator<Buffer> {
  const block = Buffer.alloc(megabyte)
  for (let n = 0; n < count; n++) {
    for (let at = 0; at < megabyte; at += 4) block.writeUInt32LE((n * 2_654_435_761 + at * 40_503) >>> 0, at)
    yield Buffer.from(block)
  }
}

suite('floods', () => {
  const s = system()
  const resident = () =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${daemonPid()}/status`, 'utf8'))?.[1]) * 1024
  const daemonPid = () => readFileSync(s.daemon.pidFile, 'utf8').trim()

  /** Runs a container whose output is `size` bytes long; nothing of it is kept here. */
  const flood = async (size: number) => {
    const child = s.spawn([
      'run',
      '--rm',
      '--log-driver',
      'none',
      'busybox',
      'head',
      '-c',
      String(size),
      '/dev/zero',
    ])
    child.stdin.end()
    let seen = 0
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) seen += chunk.length
    assert.equal(seen, size)
  }

  test('64 MB go through run -i … cat byte for byte', async () => {
    const child = s.spawn(['run', '--rm', '-i', '--log-driver', 'none', 'busybox', 'cat'])
    const sent = createHash('sha256')
    const came: Hash = createHash('sha256')
    const reading = (async () => {
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) came.update(chunk)
    })()
    for (const block of blocks(64)) {
      sent.update(block)
      if (!child.stdin.write(block)) await new Promise((resolve) => child.stdin.once('drain', resolve))
    }
    child.stdin.end()
    await reading
    assert.equal(came.digest('hex'), sent.digest('hex'))
  })

  test('the daemon’s memory stays as it is while output passes', async () => {
    await flood(50 * megabyte)
    const before = resident()
    await flood(400 * megabyte)
    const grown = (resident() - before) / megabyte
    assert.ok(grown < 30, `${grown.toFixed(1)} MB more`)
  })

  test('a client that stands still stops the container’s output, not the daemon’s other work', async () => {
    const child = s.spawn(['run', '--rm', '--name', 'still', '--log-driver', 'none', 'busybox', 'yes'])
    child.stdin.end()
    await new Promise((resolve) => child.stdout.once('readable', resolve))
    const before = resident()
    for (let i = 0; i < 5; i++) await s.ok('run', '--rm', 'busybox', 'true')
    assert.ok((resident() - before) / megabyte < 30)
    child.stdout.resume()
    await s.ok('kill', 'still')
    await finished(child, 'run yes')
  })
})
