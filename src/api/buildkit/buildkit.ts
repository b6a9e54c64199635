import { join } from 'node:path'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Engine } from '../../engine/index.ts'
import type { Op } from '../../lib/op.ts'
import { cacheMethods } from './cache-usage.ts'
import { controlMethods } from './control.ts'
import { gatewayMethods } from './gateway.ts'
import { serveGrpc, type Method } from './grpc/server.ts'
import { historyMethods } from './history.ts'
import { Sessions } from './session.ts'
import { Solves } from './solves.ts'
import { workerRecord } from './worker.ts'

/** Serves connections that clients have upgraded. */
export class BuildKit {
  readonly #sessions = new Sessions()
  readonly #methods: readonly Method[]

  constructor(engine: Pick<Engine, 'builder' | 'config' | 'images' | 'networks' | 'removeImage'>) {
    const sessions = this.#sessions
    const spool = join(engine.config.dataRoot, 'build', 'spool')
    const solves = new Solves({ engine, sessions, spool })
    const worker = () => workerRecord(engine.networks.hostGateway)
    this.#methods = [
      ...controlMethods({ sessions, solves, worker }),
      ...cacheMethods(engine),
      ...historyMethods(engine),
      ...gatewayMethods(solves, worker),
    ]
  }

  /** `/grpc`: until the client goes. */
  serve(op: Op, socket: Duplex): Promise<void> {
    return serveGrpc(op, socket, this.#methods)
  }

  /** `/session`: until the client goes. */
  serveSession(op: Op, socket: Duplex, headers: IncomingHttpHeaders): Promise<void> {
    return this.#sessions.serve(op, socket, headers)
  }
}
