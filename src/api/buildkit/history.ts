import { parseEvent, type BuildRecord } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, kindOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { serverStream, unary, type Method } from './grpc/server.ts'
import { Code, GrpcError } from './grpc/status.ts'
import { FeedProgress } from './progress.ts'
import * as pb from './proto/control.ts'
import { StatusFeed, type StatusUpdate } from './status-feed.ts'

const service = '/moby.buildkit.v1.Control/'
const eventType = { started: 0, complete: 1 } as const

type Deps = Pick<Engine, 'builder'>

/** Records of builds, as `docker buildx history` reads them. */
export function historyMethods(engine: Deps): Method[] {
  const { history } = engine.builder
  return [
    serverStream(
      `${service}ListenBuildHistory`,
      { request: pb.BuildHistoryRequest, response: pb.BuildHistoryEvent },
      // oxlint-disable-next-line typescript/require-await
      async function* listen(_call, { ActiveOnly, Ref, EarlyExit, Filter, Limit }) {
        if (!EarlyExit && !ActiveOnly)
          throw new EngineError('unsupported', 'following the history of builds is not supported: ask again')
        if (Filter.length > 0)
          throw new EngineError('unsupported', 'filters of the build history are not supported')
        const all = history.list().filter((record) => Ref === '' || record.id === Ref)
        const wanted = ActiveOnly ? all.filter(({ status }) => status === 'running') : all
        for (const record of Limit > 0 ? wanted.slice(0, Limit) : wanted) yield eventOf(record)
      },
    ),
    unary(
      `${service}UpdateBuildHistory`,
      { request: pb.UpdateBuildHistoryRequest, response: pb.UpdateBuildHistoryResponse },
      (_call, { Ref, Pinned, Delete }) => {
        if (Pinned) throw new EngineError('unsupported', 'pinning a build record is not supported')
        if (Delete) history.remove(recordOf(engine, Ref).id)
        // Finalize: our records are whole as soon as the build has ended.
        return {}
      },
    ),
  ]
}

/** The progress of a build that has ended, from its log; undefined when there is no such build. */
export function pastStatus(engine: Deps, op: Op, ref: string): AsyncIterable<StatusUpdate> | undefined {
  const { history } = engine.builder
  const found = history.list().some(({ id, status }) => id === ref && status !== 'running')
  if (!found) return undefined
  const feed = new StatusFeed()
  const progress = new FeedProgress(feed, { ref })
  const read = async () => {
    for await (const line of history.lines(op, ref, { follow: false })) {
      const event = parseEvent(line)
      if (event) progress.push(event)
    }
  }
  read()
    .catch((error: unknown) => op.log.debug('the log of a build cannot be read', { id: ref, error }))
    .finally(() => feed.close())
  return feed.listen(op)
}

function recordOf({ builder }: Deps, ref: string): BuildRecord {
  try {
    return builder.history.find(ref)
  } catch (error) {
    if (kindOf(error) === 'not-found') throw new GrpcError(Code.notFound, `no build ${ref}`)
    throw error
  }
}

function eventOf(record: BuildRecord) {
  const { id, dockerfile, target, buildArgs, labels, steps, status, error } = record
  const prefixed = (prefix: string, values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([name, value]) => [prefix + name, value] as const)
  const failure = { error: Code.unknown, canceled: Code.canceled, interrupted: Code.unavailable }
  const code = status === 'running' || status === 'completed' ? undefined : failure[status]
  return {
    type: status === 'running' ? eventType.started : eventType.complete,
    record: {
      Ref: id,
      Frontend: 'dockerfile.v0',
      FrontendAttrs: Object.fromEntries([
        ['filename', dockerfile],
        ...(target === undefined ? [] : [['target', target] as const]),
        ...prefixed('build-arg:', buildArgs),
        ...prefixed('label:', labels),
      ]),
      ...(code !== undefined && { error: { code, message: error?.message ?? `build ${status}` } }),
      CreatedAt: Date.parse(record.startedAt),
      CompletedAt: record.endedAt === undefined ? undefined : Date.parse(record.endedAt),
      numCachedSteps: steps.cached,
      numTotalSteps: steps.total,
      numCompletedSteps: steps.done,
      numWarnings: record.warnings,
    },
  }
}
