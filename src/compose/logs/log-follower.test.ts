import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { DaemonError, type Client } from '../../client/index.ts'
import { LogFollower } from './log-follower.ts'

const at = (n: number) => `2024-01-02T03:04:05.00000000${n}Z`

/** Answers with one life's log after the other, as an engine that keeps all of them. */
function clientOf(lives: readonly (readonly string[])[]) {
  const asked: unknown[] = []
  let life = 0
  const logs = (_id: string, o: { since?: string; tail?: string }) => {
    asked.push([o.since, o.tail])
    const all = lives.slice(0, ++life).flat()
    const since = o.since === undefined ? '' : at(Number(o.since.at(-1)))
    const text = all.filter((line) => line >= since).map((line) => `${line}\n`)
    return Promise.resolve({ raw: true, stream: Readable.from(text.map((each) => Buffer.from(each))) })
  }
  // Only this call is made.
  return { asked, client: { containers: { logs } } as unknown as Client }
}

test('a container that starts again is read on from its last line, each line once', async () => {
  // What one read of the engine's brought has one time.
  const { asked, client } = clientOf([
    [`${at(1)} a`, `${at(2)} b`, `${at(2)} c`],
    [`${at(4)} d`, `${at(4)} e`, `${at(5)} f`],
  ])
  const seen: string[] = []
  const follower = new LogFollower({
    client,
    signal: new AbortController().signal,
    range: { tail: '7' },
    onLine: (container, { text }) => {
      seen.push(`${container.name} ${text}`)
      return undefined
    },
  })
  follower.open({ id: 'x', name: 'web-1' })
  follower.open({ id: 'x', name: 'web-1' }, { fresh: true })
  await follower.ended()
  assert.deepEqual(
    seen,
    ['a', 'b', 'c', 'd', 'e', 'f'].map((each) => `web-1 ${each}`),
  )
  assert.deepEqual(asked, [
    [undefined, '7'],
    ['1704164645.000000002', 'all'],
  ])
})

test('a log that nobody can read is told of, or what comes from now on is shown', async () => {
  const asked: string[] = []
  const containers = {
    logs: () => Promise.reject(new DaemonError(501, 'cannot be read')),
    inspect: () => Promise.resolve({ Config: { Tty: true } }),
    attach: () => {
      asked.push('attach')
      return Promise.resolve({ stream: Readable.from([Buffer.from(`${at(1)} mine\n`)]) })
    },
  }
  // Only these calls are made.
  const client = { containers } as unknown as Client
  const seen: string[] = []
  const follow = async (o: { unreadable?: (container: { name: string }, why: string) => void }) => {
    const follower = new LogFollower({
      client,
      signal: new AbortController().signal,
      range: { tail: 'all' },
      onLine: (_, { text }) => void seen.push(text),
      ...o,
    })
    follower.open({ id: 'x', name: 'web-1' })
    await follower.ended()
  }
  await follow({ unreadable: ({ name }, why) => seen.push(`${name}: ${why}`) })
  assert.deepEqual([seen, asked], [['web-1: cannot be read'], []])
  await follow({})
  assert.deepEqual([seen.slice(1), asked], [[`${at(1)} mine`], ['attach']])
})

test('what no log keeps is heard from before the start on', async () => {
  const asked: string[] = []
  const stream = Readable.from([Buffer.from('first\nsecond\n')])
  const containers = {
    inspect: () => Promise.resolve({ Config: { Tty: true } }),
    attach: (id: string) => {
      asked.push(id)
      return Promise.resolve({ stream, contentType: '' })
    },
  }
  const seen: string[] = []
  const follower = new LogFollower({
    // Only these calls are made.
    client: { containers } as unknown as Client,
    signal: new AbortController().signal,
    range: { tail: 'all' },
    onLine: (container, { text }) => {
      seen.push(`${container.name} ${text}`)
      return undefined
    },
  })
  await follower.attach({ id: 'x', name: 'web-1' })
  assert.deepEqual(asked, ['x'])
  await follower.ended()
  assert.deepEqual(seen, ['web-1 first', 'web-1 second'])
})
