import { z } from 'zod'
import type { BuildRequest } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, isAbort, messageOf } from '../../lib/errors.ts'
import type { BuildEvent } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { decode } from './body.ts'
import { ClassicProgress } from './classic-progress.ts'
import { gantryBuild } from './gantry-build.ts'
import type { Query } from './query.ts'
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

/** docker's parameters that change the result and that nothing obeys yet, with the values that ask for nothing. */
const refused: Readonly<Record<string, readonly string[]>> = {
  cachefrom: ['[]', 'null'],
  cgroupparent: [],
  cpuperiod: ['0'],
  cpuquota: ['0'],
  cpusetcpus: [],
  cpusetmems: [],
  cpushares: ['0'],
  extrahosts: ['[]', 'null'],
  isolation: ['default'],
  memory: ['0'],
  memswap: ['0'],
  outputs: ['[]', 'null'],
  platform: [],
  remote: [],
  securityopt: ['[]', 'null'],
  shmsize: ['0'],
  squash: ['0', 'false'],
  ulimits: ['[]', 'null'],
}

const texts = z.record(z.string(), z.string().nullable())

function classicRequest(query: Query): Omit<BuildRequest, 'context'> {
  if (query.text('version') === '2')
    throw new EngineError(
      'unsupported',
      'BuildKit sessions are not supported yet: build with DOCKER_BUILDKIT=0',
    )
  for (const [name, harmless] of Object.entries(refused)) {
    const value = query.text(name)
    if (value !== '' && !harmless.includes(value))
      throw new EngineError('unsupported', `build: ${name}=${value} is not supported yet`)
  }
  const map = (name: string) => {
    const entries = Object.entries(decode(texts, query.json(name) ?? {}))
    // null: an argument that the client's environment does not have.
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null))
  }
  const target = query.optional('target')
  const networkMode = query.optional('networkmode')
  return {
    dockerfile: query.text('dockerfile') || 'Dockerfile',
    tags: query.all('t').filter((tag) => tag !== ''),
    buildArgs: map('buildargs'),
    labels: map('labels'),
    noCache: query.flag('nocache'),
    pull: query.flag('pull'),
    ...(target === undefined ? {} : { target }),
    ...(networkMode === undefined ? {} : { networkMode }),
  }
}

async function classicBuild(engine: Deps, call: Call): Promise<void> {
  const request = classicRequest(call.query)
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
      { ...request, auth: authSource(call), context: { kind: 'tar', stream: call.request } },
      report,
    )
  } catch (error) {
    if (!call.response.headersSent || isAbort(error)) throw error
    const message = messageOf(error)
    send({ errorDetail: { message }, error: message })
  }
  call.response.end()
}
