import { stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { secretsOf, type OutputRequest, type SecretSource } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, hasCode, isAbort, messageOf } from '../../lib/errors.ts'
import type { BuildQuery } from '../../wire/build.ts'
import { decode } from './body.ts'
import { buildAnswer, type BuildAnswer } from './build-answer.ts'
import { buildQueryShape } from './build-query.ts'
import { callerOf } from './caller.ts'
import { authSource } from './registry-auth.ts'
import type { Call } from './route.ts'

/** Our own build: the context is a directory that both sides see, or the body; answers BuildEvents, one a line. */
export async function gantryBuild(engine: Pick<Engine, 'builder'>, call: Call): Promise<void> {
  const { context, secretBytes, outputs, cacheFrom, cacheTo, ...request } = decode(
    buildQueryShape,
    call.query.json('request'),
  )
  if (context) await checkContext(call, context)
  for (const from of cacheFrom ?? []) if (from.kind === 'local') await checkCache(call, from)
  const secrets = secretBytes === undefined ? undefined : await readSecrets(call.request, secretBytes)
  const sent = [...(outputs ?? []), ...(cacheTo ?? [])]
  const answer = buildAnswer(call.response, { outputs: sent.some((output) => output.sent) })
  const requests = sent.map((output, index) => outputOf(output, index + 1, answer))
  try {
    await engine.builder.build(
      call.op,
      {
        ...request,
        ...(secrets && { secrets }),
        auth: authSource(call),
        ...(outputs && { outputs: requests.slice(0, outputs.length) }),
        ...(cacheTo && { cacheTo: requests.slice(outputs?.length ?? 0) }),
        ...(cacheFrom && { cacheFrom }),
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

/** Like a context in place; there is no other way for this one. */
async function checkCache(call: Call, from: NonNullable<BuildQuery['context']>): Promise<void> {
  try {
    await checkContext(call, from)
  } catch (cause) {
    const why = messageOf(cause)
      .replace('build contexts are', 'it is')
      .replace(/: send a tar$/, '')
    throw new EngineError('unsupported', `cache type=local: ${why}; use type=registry`, { cause })
  }
}
