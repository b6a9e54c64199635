import { stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import {
  secretsOf,
  type AuthSource,
  type BuildRequest,
  type SecretSource,
  type OutputRequest,
} from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, hasCode, isAbort, messageOf } from '../../lib/errors.ts'
import { maxOutputs } from '../../wire/build-stream.ts'
import type { BuildEvent, BuildQuery } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { decode } from './body.ts'
import { buildAnswer, type BuildAnswer } from './build-answer.ts'
import { callerOf } from './caller.ts'
import { ClassicProgress } from './classic-progress.ts'
import type { Query } from './query.ts'
import { authFor, registryConfig } from './registry-auth.ts'
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

/** Docker's limit is 500 KiB a secret. */
const maxSecrets = 16 << 20

const queryShape: z.ZodType<BuildQuery> = z.strictObject({
  context: z
    .strictObject({ path: z.string(), dev: z.string().regex(/^\d+$/), ino: z.string().regex(/^\d+$/) })
    .exactOptional(),
  dockerfile: z.string(),
  dockerfileText: z.string().exactOptional(),
  tags: z.array(z.string()),
  buildArgs: z.record(z.string(), z.string()),
  target: z.string().exactOptional(),
  checkOptions: z.string().exactOptional(),
  noCache: z.boolean(),
  shell: z.boolean().exactOptional(),
  pull: z.boolean().exactOptional(),
  noCacheFilter: z.array(z.string()).exactOptional(),
  reproducible: z.boolean().exactOptional(),
  verify: z.boolean().exactOptional(),
  labels: z.record(z.string(), z.string()),
  networkMode: z.string().exactOptional(),
  secretBytes: z.int().min(2).max(maxSecrets).exactOptional(),
  addHosts: z.array(z.string()).exactOptional(),
  ulimits: z.array(z.strictObject({ Name: z.string(), Soft: z.int(), Hard: z.int() })).exactOptional(),
  shmSize: z.int().min(0).exactOptional(),
  resources: z
    .strictObject({
      Memory: z.int().exactOptional(),
      MemorySwap: z.int().exactOptional(),
      CpuShares: z.int().exactOptional(),
      CpuPeriod: z.int().exactOptional(),
      CpuQuota: z.int().exactOptional(),
      CpusetCpus: z.string().exactOptional(),
      CpusetMems: z.string().exactOptional(),
    })
    .exactOptional(),
  cgroupParent: z.string().exactOptional(),
  outputs: z
    .array(
      z.strictObject({
        type: z.string(),
        attrs: z.record(z.string(), z.string()),
        sent: z.boolean(),
      }),
    )
    .max(maxOutputs)
    .exactOptional(),
})

/** Our own build: the context is a directory that both sides see, or the body; answers BuildEvents, one a line. */
async function gantryBuild(engine: Deps, call: Call): Promise<void> {
  const { context, secretBytes, outputs, ...request } = decode(queryShape, call.query.json('request'))
  if (context) await checkContext(call, context)
  const secrets = secretBytes === undefined ? undefined : await readSecrets(call.request, secretBytes)
  const answer = buildAnswer(call.response, { outputs: outputs?.some((output) => output.sent) ?? false })
  try {
    await engine.builder.build(
      call.op,
      {
        ...request,
        ...(secrets && { secrets }),
        auth: authSource(call),
        ...(outputs && { outputs: outputs.map((output, index) => outputOf(output, index + 1, answer)) }),
        context: context ? { kind: 'directory', path: context.path } : { kind: 'tar', stream: call.request },
      },
      answer.event,
    )
  } catch (error) {
    // The builder has reported it as the last line.
    if (!call.response.headersSent || isAbort(error)) throw error
  }
  call.response.end()
}

/** Credentials that came along, by registry. */
function authSource(call: Call): AuthSource {
  const all = registryConfig(call.request)
  return { of: (_op, host) => Promise.resolve(authFor(all, host)) }
}

function outputOf(
  { sent, ...output }: NonNullable<BuildQuery['outputs']>[number],
  channel: number,
  answer: BuildAnswer,
): OutputRequest {
  return { ...output, ...(sent && { send: (op, tar) => answer.send(op, channel, tar) }) }
}

/** Takes them off the front of the body; what follows stays in it. */
async function readSecrets(body: Readable, length: number): Promise<SecretSource> {
  const chunks: Buffer[] = []
  let total = 0
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    total += chunk.length
    if (total >= length) break
  }
  const all = Buffer.concat(chunks)
  if (total < length) throw new EngineError('invalid', 'the request ends before its secrets do')
  if (total > length) body.unshift(all.subarray(length))
  const entries = Object.entries(decode(secretsShape, parseSecrets(all.subarray(0, length))))
  return secretsOf(new Map(entries.map(([id, value]) => [id, Buffer.from(value, 'base64')])))
}

const secretsShape = z.record(z.string(), z.base64())

function parseSecrets(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString())
  } catch {
    // Its message would quote them.
    throw new EngineError('invalid', 'the secrets of the request are not JSON')
  }
}

/**
 * The daemon reads as root: only for a caller that is root too, and only when both mean the same directory (a client
 * in a container, or behind a forwarded socket, sees other files). Throws kind `forbidden` or `invalid`; the client sends a tar then.
 */
async function checkContext(call: Call, context: NonNullable<BuildQuery['context']>): Promise<void> {
  if (!isAbsolute(context.path))
    throw new EngineError('invalid', `build context ${context.path}: want an absolute path`)
  // Where we cannot know who asks, it is refused.
  const caller = callerOf(call)
  if (caller?.uid !== 0)
    throw new EngineError(
      'forbidden',
      'build contexts are read in place only for root on this host: send a tar',
    )
  try {
    const { dev, ino } = await stat(context.path, { bigint: true })
    if (String(dev) === context.dev && String(ino) === context.ino) return
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR')) throw cause
  }
  throw new EngineError('invalid', `build context ${context.path} is another directory here: send a tar`)
}
