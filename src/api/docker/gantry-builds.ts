/** Routes of Gantry's own for records of builds: list, inspect, log, removal. */
import { z } from 'zod'
import { parseEvent, type BuildRecord } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import type { BuildRemoval, BuildShellRequest, BuildShellState, BuildSummary } from '../../wire/builds.ts'
import { decode } from './body.ts'
import { sizeOf } from './containers.ts'
import { Filters, matchesName, parseTime } from './filters.ts'
import { multiplexedStream, rawStream, relay } from './hijack.ts'
import { drained, sendEmpty, sendJson } from './respond.ts'
import type { Call, HijackCall, Route } from './route.ts'

type Deps = Pick<Engine, 'builder'>

export function gantryBuildsRoutes(engine: Deps): Route[] {
  // Not before a request: the table of routes is also made without an engine.
  const history = () => engine.builder.history
  const failed = () => engine.builder.failed
  const refOf = (call: Call | HijackCall) => {
    const ref = call.params['id'] ?? ''
    // Nothing cannot be said in a path.
    return ref === 'latest' ? '' : ref
  }
  return [
    {
      method: 'GET',
      path: '/gantry/builds',
      handler: (call) =>
        sendJson(
          call.response,
          history()
            .list()
            .filter(chosen(call))
            .map((record) => ({ ...summaryOf(record), shell: failed().has(record.id) })),
        ),
    },
    {
      method: 'GET',
      path: '/gantry/builds/:id',
      handler: (call) => {
        const record = history().find(refOf(call))
        sendJson(call.response, { ...record, shell: failed().has(record.id) })
      },
    },
    {
      method: 'GET',
      path: '/gantry/builds/:id/log',
      handler: (call) => sendLog(engine, call, refOf(call)),
    },
    {
      method: 'DELETE',
      path: '/gantry/builds/:id',
      handler: (call) => {
        const { id } = history().find(refOf(call))
        history().remove(id)
        const answer: BuildRemoval = { removed: [id] }
        sendJson(call.response, answer)
      },
    },
    {
      method: 'POST',
      path: '/gantry/builds/:id/shell',
      hijack: (call) => shell(engine, call, refOf(call)),
    },
    {
      method: 'GET',
      path: '/gantry/builds/:id/shell',
      handler: (call) => {
        const { shell: open, exitCode } = failed().shellOf(history().find(refOf(call)).id)
        const state: BuildShellState = { running: open !== undefined, exitCode: exitCode ?? null }
        sendJson(call.response, state)
      },
    },
    {
      method: 'POST',
      path: '/gantry/builds/:id/shell/resize',
      handler: (call) => {
        const { rows, columns } = sizeOf(call)
        failed()
          .shellOf(history().find(refOf(call)).id)
          .shell?.resize(rows, columns)
        sendEmpty(call.response, 200)
      },
    },
    {
      method: 'POST',
      path: '/gantry/builds/prune',
      handler: (call) => {
        const wanted = chosen(call)
        const removed = history()
          .list()
          .filter((record) => record.status !== 'running' && wanted(record))
        for (const { id } of removed) history().remove(id)
        const answer: BuildRemoval = { removed: removed.map(({ id }) => id) }
        sendJson(call.response, answer)
      },
    },
  ]
}

const shellBody = z.strictObject({
  command: z.array(z.string()).min(1).exactOptional(),
  tty: z.boolean(),
  consoleSize: z.tuple([z.int().positive(), z.int().positive()]).exactOptional(),
})

/** A shell where a step failed. It ends with the connection. */
async function shell({ builder }: Deps, call: HijackCall, ref: string): Promise<void> {
  const request: BuildShellRequest = decode(shellBody, await call.body())
  const opened = await builder.failed.shell(call.op, builder.history.find(ref).id, request)
  const connection = call.accept(request.tty ? rawStream : multiplexedStream)
  // Who has a terminal sends an end only by going.
  const inputEnd = request.tty ? 'detach' : 'close-stdin'
  await relay(call.op, connection, opened.stream, { settled: opened.exited, inputEnd })
  opened.kill()
}

const statuses = new Set(['running', 'completed', 'error', 'canceled', 'interrupted'])

function chosen(call: Call): (record: BuildRecord) => boolean {
  const filters = Filters.of(call.query, ['status', 'ref', 'id', 'name', 'since', 'until'])
  for (const status of filters.get('status'))
    if (!statuses.has(status))
      throw new EngineError(
        'invalid',
        `invalid filter 'status=${status}': want one of ${[...statuses].join(', ')}`,
      )
  const times = (key: string) => filters.get(key).map((text) => parseTime(text) * 1000)
  const [since, until] = [times('since'), times('until')]
  return (record) => {
    const started = Date.parse(record.startedAt)
    const names = [...record.tags, record.context]
    return (
      filters.any('status', (status) => record.status === status) &&
      ['ref', 'id'].every((key) => filters.any(key, (id) => record.id.startsWith(id))) &&
      filters.any('name', (wanted) => names.some((name) => matchesName(name, wanted))) &&
      since.every((time) => started >= time) &&
      until.every((time) => started < time)
    )
  }
}

function summaryOf(record: BuildRecord): BuildSummary {
  const {
    vertices: _v,
    statuses: _s,
    warningList: _w,
    buildArgs: _b,
    labels: _l,
    error: _e,
    ...summary
  } = record
  return summary
}

async function sendLog({ builder }: Deps, call: Call, ref: string): Promise<void> {
  const { history } = builder
  const { id } = history.find(ref)
  const vertex = call.query.optional('step')
  const lines = history.lines(call.op, id, { follow: call.query.flag('follow') })
  const { response } = call
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
  response.flushHeaders()
  try {
    for await (const line of lines) {
      if (vertex !== undefined && !concerns(line, vertex)) continue
      if (!response.write(`${line}\n`)) await drained(call)
    }
  } catch (error) {
    // Removed while it was read: what is there has been sent.
    if (!hasCode(error, 'ENOENT')) throw error
  }
  response.end()
}

/** Of one step: its own events, and how the build ended. */
function concerns(line: string, vertex: string): boolean {
  const event = parseEvent(line)
  if (!event) return false
  if (event.type === 'vertex') return event.id === vertex
  if (event.type === 'log' || event.type === 'status') return event.vertex === vertex
  return event.type === 'result' || event.type === 'error'
}
