import type { Method } from './grpc/server.ts'
import { unary, type Call } from './grpc/server.ts'
import { Code, GrpcError } from './grpc/status.ts'
import * as pb from './proto/gateway.ts'
import { graphOf, imageOfGraph } from './result-ref.ts'
import type { Solves } from './solves.ts'
import type { workerRecord } from './worker.ts'

const service = '/moby.buildkit.v1.frontend.LLBBridge/'

/** What we can do of what BuildKit’s gateway may offer; clients look before they ask. */
const frontendCaps = [
  'solve.base',
  'return',
  'returnmap',
  'importcaches',
  'proto.refarray',
  'reference.output',
  'frontend.inputs',
  'gateway.solve.metadata',
  'gateway.solve.evaluate',
  'gateway.evaluate',
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
export function gatewayMethods(solves: Solves, worker: () => ReturnType<typeof workerRecord>): Method[] {
  return [
    unary(`${service}Ping`, { request: pb.Empty, response: pb.PongResponse }, async (call) => {
      await solves.known(call.op, refOf(call))
      return {
        FrontendAPICaps: enabled(frontendCaps),
        LLBCaps: enabled(graphCaps),
        Workers: [worker()],
      }
    }),
    unary(
      `${service}Solve`,
      { request: pb.SolveRequest, response: pb.SolveResponse },
      async (call, request) => {
        const { Definition: definition, FrontendInputs: inputs } = request
        const ref = refOf(call)
        if (definition && definition.def.length > 0) {
          const imageId = imageOfGraph(definition)
          await solves.gatewayLookUp(call.op, ref, imageId)
          return { result: { ref: { id: ref, def: definition } } }
        }
        const { imageId, metadata } = await solves.gatewaySolve(call, ref, {
          frontend: request.Frontend,
          options: request.FrontendOpt,
          inputs: Object.fromEntries(
            Object.entries(inputs).map(([name, graph]) => [name, imageOfGraph(graph)]),
          ),
        })
        return {
          result: { metadata, ...(imageId !== '' && { ref: { id: ref, def: graphOf(imageId) } }) },
        }
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
