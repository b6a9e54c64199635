import type { BuildRequest } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { isAbort, messageOf } from '../../lib/errors.ts'
import type { BuildEvent } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { classicBuildRequest } from './classic-build-request.ts'
import { ClassicProgress } from './classic-progress.ts'
import { gantryBuild } from './gantry-build.ts'
import { authSource } from './registry-auth.ts'
import { startJsonStream } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<Engine, 'builder'>

export function buildRoutes(engine: Deps): Route[] {
  return [
    { method: 'POST', path: '/build', handler: (call) => classicBuild(engine, call) },
    { method: 'POST', path: '/gantry/build', handler: (call) => gantryBuild(engine, call) },
  ]
}

async function classicBuild(engine: Deps, call: Call): Promise<void> {
  const request = classicBuildRequest(call.query)
  const quiet = call.query.flag('q')
  const send = (message: ProgressMessage) => {
    startJsonStream(call.response)
    call.response.write(`${JSON.stringify(message)}\r\n`)
  }
  const progress = new ClassicProgress(send)
  const report = (event: BuildEvent) => {
    if (!quiet) progress.push(event)
    else if (event.type === 'result') send({ stream: `${event.imageId}\n` })
  }
  try {
    await engine.builder.build(
      call.op,
      { ...request, auth: authSource(call), context: contextOf(call) },
      report,
    )
  } catch (error) {
    if (!call.response.headersSent || isAbort(error)) throw error
    const message = messageOf(error)
    send({ errorDetail: { message }, error: message })
  }
  call.response.end()
}

/** The body, unless `remote` names another place. */
function contextOf(call: Call): BuildRequest['context'] {
  const remote = call.query.text('remote')
  return remote === '' ? { kind: 'tar', stream: call.request } : { kind: 'remote', url: remote }
}
