import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { decode, encode } from 'dns-packet'
import { forward, forwardStream, type Server } from './forward.ts'
import { parseQuery, RCODE } from './message.ts'

const bytes = encode({ type: 'query', id: 1, questions: [{ name: 'example.org', type: 'A' }] })
const query = parseQuery(bytes) ?? assert.fail()

/** A server that answers when it is told to. */
class Fake implements Server {
  silent = false
  dead = false
  patience = 100
  due = false
  asks = 0
  cancelled = 0
  #done: ((reply: Buffer | undefined) => void) | undefined
  overdue() {
    this.silent = true
  }
  probeIsDue() {
    return this.due
  }
  ask(_query: Buffer, _o: object, done: (reply: Buffer | undefined) => void) {
    this.asks++
    this.#done = done
    return () => void this.cancelled++
  }
  askStream() {
    return new Promise<Buffer | undefined>((resolve) => {
      this.ask(bytes, {}, resolve)
    })
  }
  /** With a code, or with nothing: it failed. */
  say(rcode?: number) {
    this.#done?.(rcode === undefined ? undefined : encode({ type: 'response', id: 1, flags: rcode }))
  }
}

async function run(
  count: number,
  work: (servers: [Fake, Fake, Fake], tick: (ms: number) => void) => void | Promise<void>,
  setup: (servers: [Fake, Fake, Fake]) => void = () => {},
): Promise<string | undefined> {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const servers: [Fake, Fake, Fake] = [new Fake(), new Fake(), new Fake()]
    setup(servers)
    const reply = forward(query, servers.slice(0, count))
    await work(servers, (ms) => mock.timers.tick(ms))
    mock.timers.tick(10_000)
    const message = await reply
    return message && (decode(message) as { rcode?: string }).rcode
  } finally {
    mock.timers.reset()
  }
}

test('the first server alone is asked while it answers in its time', async () => {
  const rcode = await run(2, ([a, b], tick) => {
    tick(99)
    a.say(RCODE.ok)
    tick(1000)
    assert.deepEqual([a.asks, b.asks], [1, 0])
  })
  assert.equal(rcode, 'NOERROR')
})

test('one that takes long is noted, the next one asked, and its answer counts', async () => {
  const rcode = await run(3, ([a, b, c], tick) => {
    tick(100)
    assert.deepEqual([a.silent, b.asks, c.asks], [true, 1, 0])
    b.say(RCODE.ok)
    // It may be back later: it is listened to. The one that answered is done.
    assert.deepEqual([a.cancelled, b.cancelled], [0, 1])
  })
  assert.equal(rcode, 'NOERROR')
})

test('SERVFAIL, REFUSED and no route lead to the next one at once; when all fail there is no answer', async () => {
  const rcode = await run(3, ([a, b, c]) => {
    a.say(RCODE.servFail)
    b.say(RCODE.refused)
    assert.equal(c.asks, 1)
    c.say()
  })
  assert.equal(rcode, undefined)
})

test('a silent server comes last, and once in a while it is asked along', async () => {
  const setup = ([a]: Fake[]) => {
    if (a) a.silent = true
  }
  await run(
    2,
    ([a, b]) => {
      assert.deepEqual([a.asks, b.asks], [0, 1])
      b.say(RCODE.ok)
    },
    setup,
  )
  await run(
    2,
    ([a, b]) => {
      assert.deepEqual([a.asks, b.asks], [1, 1])
      b.say(RCODE.ok)
    },
    ([a]) => {
      a.silent = a.due = true
    },
  )
})

test('when all are silent all are asked', async () => {
  const rcode = await run(
    2,
    ([a, b]) => {
      assert.deepEqual([a.asks, b.asks], [1, 1])
      b.say(RCODE.ok)
    },
    (servers) => servers.forEach((s) => (s.silent = true)),
  )
  assert.equal(rcode, 'NOERROR')
})

test('NXDOMAIN of the first counts at once, of another when the first is dead or has failed', async () => {
  assert.equal(await run(2, ([a]) => a.say(RCODE.nxDomain)), 'NXDOMAIN')
  // The first speaks after all.
  const late = await run(2, ([a, b], tick) => {
    tick(100)
    b.say(RCODE.nxDomain)
    tick(300)
    a.say(RCODE.ok)
  })
  assert.equal(late, 'NOERROR')
  const dead = await run(2, async ([a, b], tick) => {
    tick(100)
    b.say(RCODE.nxDomain)
    a.dead = true
    tick(100)
  })
  assert.equal(dead, 'NXDOMAIN')
  const failed = await run(2, ([a, b], tick) => {
    tick(100)
    b.say(RCODE.nxDomain)
    a.say(RCODE.servFail)
  })
  assert.equal(failed, 'NXDOMAIN')
})

test('a silent first server is asked when the second knows no such name', async () => {
  const rcode = await run(
    2,
    ([a, b]) => {
      b.say(RCODE.nxDomain)
      assert.equal(a.asks, 1)
      a.say(RCODE.ok)
    },
    ([a]) => {
      a.silent = true
    },
  )
  assert.equal(rcode, 'NOERROR')
})

test('without any answer it ends before the client gives up', async () => {
  assert.equal(await run(2, () => {}), undefined)
})

test('over TCP one after the other is asked', async () => {
  const [a, b] = [new Fake(), new Fake()]
  const reply = forwardStream(query, [a, b])
  a.say(RCODE.servFail)
  await Promise.resolve()
  await new Promise(setImmediate)
  assert.equal(b.asks, 1)
  b.say(RCODE.ok)
  assert.ok(await reply)
})
