import type { Method } from './grpc/server.ts'
import { unary, type Call } from './grpc/server.ts'
import { Code, GrpcError } from './grpc/status.ts'
import { EngineError } from '../../lib/errors.ts'
import * as pb from './proto/gateway.ts'
import type { Solves } from './solves.ts'
import { workerRecord } from './worker.ts'

const service = '/moby.buildkit.v1.frontend.LLBBridge/'

/** What we can do of what BuildKit’s gateway may offer; clients look before they ask. */
const frontendCaps = [
  'solve.base',
  'return',
  'returnmap',
  'importcaches',
  'proto.refarray',
  'gateway.solve.metadata',
  'gateway.solve.evaluate',
  'frontend.caps',
]
const graphCaps = ['source.local', 'source.local.sessionid', 'exporter.multiple', 'constraints', 'platform']

const enabled = (ids: readonly string[]) => ids.map((ID) => ({ ID, Enabled: true }))

/** The build that a call belongs to. */
function refOf({ metadata }: Call): string {
  const ref = metadata['buildkit-controlapi-buildid']
  if (typeof ref !== 'string' || ref === '')
    throw new GrpcError(Code.invalidArgument, 'the call does not say which build it belongs to')
  return ref
}

/** Where the client runs a part of the build itself: it asks for the frontend and gives back what came of it. */
export function gatewayMethods(solves: Solves): Method[] {
  return [
    unary(`${service}Ping`, { request: pb.Empty, response: pb.PongResponse }, async (call) => {
      await solves.known(call.op, refOf(call))
      return {
        FrontendAPICaps: enabled(frontendCaps),
        LLBCaps: enabled(graphCaps),
        Workers: [workerRecord()],
      }
    }),
    unary(
      `${service}Solve`,
      { request: pb.SolveRequest, response: pb.SolveResponse },
      async (call, request) => {
        if ((request.Definition?.def.length ?? 0) > 0 || Object.keys(request.FrontendInputs).length > 0)
          throw new EngineError(
            'unsupported',
            'builds from LLB definitions are not supported: only Dockerfiles are built here',
          )
        const ref = refOf(call)
        const metadata = await solves.gatewaySolve(call.op, ref, {
          frontend: request.Frontend,
          options: request.FrontendOpt,
        })
        return { result: { ref: { id: ref }, metadata } }
      },
    ),
    unary(`${service}Return`, { request: pb.ReturnRequest, response: pb.Empty }, async (call, { error }) => {
      await solves.gatewayReturn(
        call.op,
        refOf(call),
        error && error.code !== Code.ok ? new GrpcError(error.code, error.message, error.details) : undefined,
      )
      return {}
    }),
    unary(`${service}Evaluate`, { request: pb.EvaluateRequest, response: pb.Empty }, async (call) => {
      // Solve has built everything already.
      await solves.known(call.op, refOf(call))
      return {}
    }),
  ]
}
