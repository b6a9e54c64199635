/** Routes that speak to registries: pull, push, login, search. */
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { decode, readJson } from './body.ts'
import { Filters } from './filters.ts'
import { platformIn } from './platform.ts'
import { authOf, authShape, registryAuth } from './registry-auth.ts'
import { sendJson, sendProgress } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<Engine, 'distribution'>

export function registryRoutes(engine: Deps): Route[] {
  const nameOf = (call: Call) => call.params['name'] ?? ''
  return [
    { method: 'POST', path: '/auth', handler: (call) => login(engine, call) },
    { method: 'POST', path: '/images/:name/push', handler: (call) => push(engine, call, nameOf(call)) },
    { method: 'GET', path: '/images/search', handler: (call) => search(engine, call) },
    {
      method: 'GET',
      path: '/distribution/:name/json',
      handler: async (call) => {
        const auth = registryAuth(call.request)
        sendJson(call.response, await engine.distribution.inspect(call.op, nameOf(call), { auth }))
      },
    },
  ]
}

/** `POST /images/create?fromImage=…`. */
export async function pull({ distribution }: Deps, call: Call): Promise<void> {
  const { query } = call
  const auth = registryAuth(call.request)
  const name = query.text('fromImage')
  const tag = query.text('tag')
  const platform = query.text('platform')
  // Docker: the tag may be a digest, or stand in the name.
  const ref = tag === '' ? name : `${name}${/^[a-z0-9]+:/.test(tag) ? '@' : ':'}${tag}`
  const named = tag !== '' || name.includes('@') || /:[^/]*$/.test(name)
  await sendReports(call, async (report) => {
    const o = { auth, report, ...(platform !== '' && { platform }) }
    await (named ? distribution.pull(call.op, ref, o) : distribution.pullAll(call.op, ref, o))
  })
}

async function push({ distribution }: Deps, call: Call, name: string): Promise<void> {
  const auth = registryAuth(call.request)
  const tag = call.query.text('tag')
  const ref = tag === '' ? name : `${name}:${tag}`
  const platform = platformIn(call.query)
  await sendReports(call, async (report) => {
    const o = { auth, report, platform }
    if (tag === '') await distribution.pushAll(call.op, ref, o)
    else await distribution.push(call.op, ref, o)
  })
}

async function login({ distribution }: Deps, call: Call): Promise<void> {
  const auth = authOf(decode(authShape, (await readJson(call.request)) ?? {}), 'body')
  if (!auth) throw new EngineError('invalid', 'no credentials were given')
  sendJson(call.response, await distribution.login(call.op, auth))
}

async function search({ distribution }: Deps, call: Call): Promise<void> {
  const { query } = call
  const term = query.text('term')
  if (term === '') throw new EngineError('invalid', 'no search term was given')
  const limit = query.integer('limit') ?? 25
  if (limit !== 0 && (limit < 1 || limit > 100))
    throw new EngineError('invalid', `limit ${limit} is outside the range of [1, 100]`)
  const filters = Filters.of(query, ['is-automated', 'is-official', 'stars'])
  const official = filters.flag('is-official')
  const automated = filters.flag('is-automated')
  const stars = filters.get('stars').map((text) => {
    if (!/^\d+$/.test(text)) throw new EngineError('invalid', `invalid filter 'stars=${text}'`)
    return Number(text)
  })
  const results = await distribution.search(call.op, {
    term,
    limit: limit || 25,
    auth: registryAuth(call.request),
  })
  sendJson(
    call.response,
    results.filter(
      (one) =>
        (official === undefined || one.is_official === official) &&
        (automated === undefined || one.is_automated === automated) &&
        stars.every((least) => one.star_count >= least),
    ),
  )
}

/** Work that reports as it goes, as docker's JSON stream. */
async function sendReports(
  call: Call,
  work: (report: (message: ProgressMessage) => void) => Promise<void>,
): Promise<void> {
  const pending = new Pending()
  const done = work((message) => pending.add(message)).finally(() => pending.end())
  // sendProgress meets it at the end of the messages.
  done.catch(() => undefined)
  const messages = async function* (): AsyncGenerator<ProgressMessage> {
    yield* pending.messages()
    await done
  }
  try {
    await sendProgress(call, messages())
  } finally {
    // A client that went away: its pull is being undone, and belongs to this request until it is.
    await done.catch(() => undefined)
  }
}

/** For slow readers: of what is the same but for its numbers, only the latest waits. */
class Pending {
  readonly #queue: ProgressMessage[] = []
  #wake: (() => void) | undefined
  #ended = false

  add(message: ProgressMessage): void {
    const { id, status } = message
    const same = id === undefined ? -1 : this.#queue.findLastIndex((one) => one.id === id)
    if (same >= 0 && this.#queue[same]?.status === status) this.#queue[same] = message
    else this.#queue.push(message)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *messages(): AsyncGenerator<ProgressMessage> {
    for (;;) {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) yield next
      if (this.#ended) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
