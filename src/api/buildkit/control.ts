import { EngineError } from '../../lib/errors.ts'
import { byteStream } from './grpc/byte-stream.ts'
import { bidirectional, serverStream, unary, type Method } from './grpc/server.ts'
import * as pb from './proto/control.ts'
import { message, string, int32 } from './proto/message.ts'
import type { Sessions } from './session.ts'
import type { Solves } from './solves.ts'
import { buildkitVersion, type workerRecord } from './worker.ts'

const service = '/moby.buildkit.v1.Control/'

const HealthRequest = message({ service: string(1) })
const HealthResponse = message({ status: int32(1) })
const serving = 1

/** moby.buildkit.v1.Control, and grpc.health.v1.Health. */
export function controlMethods(o: {
  sessions: Sessions
  solves: Solves
  worker: () => ReturnType<typeof workerRecord>
}): Method[] {
  const { sessions, solves, worker } = o
  return [
    unary(
      `${service}Solve`,
      { request: pb.SolveRequest, response: pb.SolveResponse },
      async (call, request) => ({ ExporterResponse: await solves.solve(call.op, request) }),
    ),
    serverStream(
      `${service}Status`,
      { request: pb.StatusRequest, response: pb.StatusResponse },
      (call, { Ref }) => solves.status(call.op, Ref),
    ),
    bidirectional(
      `${service}Session`,
      { request: pb.BytesMessage, response: pb.BytesMessage },
      async (call, o) => {
        // The session's own connection runs inside of this call.
        const socket = byteStream({ ...o, end: () => {}, cancel: () => {} })
        await sessions.serve(call.op, socket, call.metadata)
      },
    ),
    unary(
      `${service}ListWorkers`,
      { request: pb.ListWorkersRequest, response: pb.ListWorkersResponse },
      (_call, { filter }) => {
        if (filter.length > 0) throw new EngineError('unsupported', 'filters of workers are not supported')
        return { record: [worker()] }
      },
    ),
    unary(`${service}Info`, { request: pb.InfoRequest, response: pb.InfoResponse }, () => ({
      buildkitVersion,
    })),
    unary('/grpc.health.v1.Health/Check', { request: HealthRequest, response: HealthResponse }, () => ({
      status: serving,
    })),
  ]
}
