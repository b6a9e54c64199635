import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { EngineError } from '../../lib/errors.ts'
import { looksSecret } from '../../lib/looks-secret.ts'
import type { Op } from '../../lib/op.ts'
import type { Store, Table } from '../../store/index.ts'
import type { BuildEvent, VertexEvent } from '../../wire/build.ts'
import type { BuildRequest, ContextRequest } from '../request.ts'
import { shownUrl } from '../../lib/git-url.ts'
import { LogWriter, readLines } from './log-file.ts'
import { countSteps, Recorder } from './recorder.ts'
import { recordSchema, type BuildRecord } from './record.ts'

export interface HistoryLimits {
  readonly maxBuilds: number
  /** Bytes of all logs. */
  readonly maxBytes: number
  /** Milliseconds since a build began; 0: however old. */
  readonly maxAge: number
}

/** Unless others are configured. */
export const historyLimits: HistoryLimits = { maxBuilds: 200, maxBytes: 256 << 20, maxAge: 0 }

/**
 * What builds there were: a record and the whole log of each, the newest of them. A record is on disk from the build's
 * beginning on, so that one which a crash cut off is known as such.
 */
export class BuildHistory {
  readonly #root: string
  readonly #table: Table<BuildRecord>
  readonly #limits: HistoryLimits
  readonly #running = new Map<string, Recorder>()
  /** All builds, oldest first, with the sizes of their logs and when they began. */
  readonly #known = new Map<string, { bytes: number; readonly at: number }>()
  readonly #closing = new Set<Promise<void>>()
  readonly #onRemove: (id: string) => void

  private constructor(o: {
    root: string
    store: Store
    limits: HistoryLimits
    onRemove: (id: string) => void
  }) {
    this.#root = o.root
    this.#limits = o.limits
    this.#onRemove = o.onRemove
    this.#table = o.store.table('builds', (value) => recordSchema.parse(value))
  }

  /** Builds that an earlier daemon left running become `interrupted`; logs without a record go. */
  static async open(
    op: Op,
    o: { root: string; store: Store; limits?: HistoryLimits; onRemove?: (id: string) => void },
  ): Promise<BuildHistory> {
    mkdirSync(o.root, { recursive: true, mode: 0o700 })
    const history = new BuildHistory({ limits: historyLimits, onRemove: () => {}, ...o })
    const known = history.#table.all()
    for (const { record } of known)
      if (record.status === 'running') history.#table.put(record.id, await history.#cutOff(op, record))
    for (const { record } of known.toSorted((a, b) => (a.record.startedAt < b.record.startedAt ? -1 : 1)))
      history.#known.set(record.id, { bytes: record.logBytes, at: Date.parse(record.startedAt) })
    const files = new Set(known.map(({ record }) => fileOf(record.id)))
    for (const name of readdirSync(o.root))
      if (!files.has(name)) rmSync(join(o.root, name), { force: true, recursive: true })
    return history
  }

  /** A build begins: tell the recorder what happens, and how it ended. */
  begin(op: Op, request: BuildRequest): Recorder {
    const id = request.ref ?? newBuildId()
    if (!/^[a-z0-9]{1,64}$/.test(id))
      throw new EngineError('invalid', `invalid build reference ${JSON.stringify(id)}`)
    if (this.#running.has(id) || this.#table.get(id))
      throw new EngineError('conflict', `a build ${id} exists already`)
    const head = headOf(id, request)
    const log = new LogWriter(this.#path(id), (error) =>
      op.log.warn('the log of a build cannot be written', { id, error }),
    )
    const recorder = new Recorder(head, { log, save: (ended) => this.#save(op, ended) })
    this.#table.put(id, head)
    this.#running.set(id, recorder)
    this.#known.set(id, { bytes: 0, at: Date.now() })
    return recorder
  }

  /** Newest first. */
  list(): BuildRecord[] {
    return this.#table
      .all()
      .map(({ key, record }) => this.#running.get(key)?.record() ?? record)
      .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0))
  }

  /**
   * A build by its id or the beginning of one; `^N` is the Nth before the newest, nothing the newest. Throws kind
   * `not-found`, or `invalid` when several begin so.
   */
  find(ref: string): BuildRecord {
    const back = ref === '' ? 0 : /^\^(\d+)?$/.exec(ref)
    const newest = [...this.#known.keys()].toReversed()
    const found =
      back === null
        ? this.#known.has(ref)
          ? [ref]
          : newest.filter((id) => id.startsWith(ref))
        : newest.slice(back === 0 ? 0 : Number(back[1] ?? 1)).slice(0, 1)
    const [id, second] = found
    const record = id === undefined ? undefined : (this.#running.get(id)?.record() ?? this.#table.get(id))
    if (!record)
      throw new EngineError('not-found', ref === '' ? 'no builds are recorded' : `No such build: ${ref}`)
    if (second !== undefined)
      throw new EngineError('invalid', `build id ${ref} is not unique: ${found.length} begin so`)
    return record
  }

  /** The log as BuildEvents in JSON, a line each; of a build that runs, so far or (`follow`) to its end. */
  lines(op: Op, id: string, o: { follow: boolean }): AsyncGenerator<string> {
    return readLines(op, this.#path(id), { writer: this.#running.get(id)?.log, follow: o.follow })
  }

  remove(id: string): void {
    if (this.#running.has(id)) throw new EngineError('conflict', `build ${id} is running: stop it first`)
    this.#table.delete(id)
    this.#known.delete(id)
    rmSync(this.#path(id), { force: true })
    this.#onRemove(id)
  }

  /** Waits until all logs are written. */
  async close(): Promise<void> {
    await Promise.all(this.#closing)
  }

  #save(op: Op, recorder: Recorder): void {
    this.#table.put(recorder.id, recorder.record())
    const known = this.#known.get(recorder.id)
    if (known) known.bytes = recorder.log.size
    const closing = recorder.log.end().then(() => {
      this.#running.delete(recorder.id)
      this.#closing.delete(closing)
      this.#trim(op)
    })
    this.#closing.add(closing)
  }

  /** The oldest go when there are too many, or their logs are too large; the newest stays in any case. */
  #trim(op: Op): void {
    const { maxBuilds, maxBytes, maxAge } = this.#limits
    let bytes = 0
    let count = 0
    for (const [id, known] of [...this.#known].toReversed()) {
      bytes += known.bytes
      count++
      const isOld = maxAge > 0 && Date.now() - known.at > maxAge
      const fits = count <= maxBuilds && bytes <= maxBytes && !isOld
      if (fits || count === 1 || this.#running.has(id)) continue
      try {
        this.remove(id)
      } catch (error) {
        op.log.warn('removing an old build record failed', { id, error })
      }
    }
  }

  /** What the log of a build tells whose daemon was killed. */
  async #cutOff(op: Op, head: BuildRecord): Promise<BuildRecord> {
    const vertices = new Map<string, VertexEvent>()
    const path = this.#path(head.id)
    const stat = statSync(path, { throwIfNoEntry: false })
    const interrupted = { ...head, status: 'interrupted' as const }
    if (!stat) return { ...interrupted, endedAt: head.startedAt }
    for await (const line of readLines(op, path, { writer: undefined, follow: false })) {
      const event = parseEvent(line)
      if (event?.type === 'vertex') vertices.set(event.id, event)
    }
    const list = [...vertices.values()]
    const endedAt = stat.mtime.toISOString()
    return { ...interrupted, endedAt, vertices: list, steps: countSteps(list), logBytes: stat.size }
  }

  #path(id: string): string {
    return join(this.#root, fileOf(id))
  }
}

const fileOf = (id: string) => `${id}.ndjson`

/** A line that a crash cut short is left out. */
export function parseEvent(line: string): BuildEvent | undefined {
  try {
    // Written by a recorder, in a directory that only root can write.
    return JSON.parse(line) as BuildEvent
  } catch {
    return undefined
  }
}

/** BuildKit's form: 25 letters and digits. */
function newBuildId(): string {
  return BigInt(`0x${randomBytes(17).toString('hex')}`)
    .toString(36)
    .padStart(25, '0')
    .slice(-25)
}

function headOf(id: string, request: BuildRequest): BuildRecord {
  const buildArgs = Object.entries(request.buildArgs).map(([name, value]) => [
    name,
    looksSecret(name, value) ? '***' : value,
  ])
  return {
    id,
    status: 'running',
    tags: [...request.tags],
    context: contextName(request.context),
    dockerfile: request.dockerfile,
    ...(request.target && { target: request.target }),
    startedAt: new Date().toISOString(),
    steps: { total: 0, done: 0, cached: 0 },
    warnings: 0,
    logBytes: 0,
    buildArgs: Object.fromEntries(buildArgs),
    labels: { ...request.labels },
    noCache: request.noCache,
    ...(request.networkMode && { networkMode: request.networkMode }),
    ...(request.platform && { platform: request.platform }),
    vertices: [],
    statuses: [],
    warningList: [],
  }
}

/** How people named the context; what an URL has of a password is left out. `-`: it was sent. */
export function contextName(context: ContextRequest): string {
  if ('path' in context) return context.path
  if ('url' in context) return shownUrl(context.url)
  return 'reference' in context ? context.reference : '-'
}
