import { z } from 'zod'
import { secretsOf, type OutputRequest, type SecretSource } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, isAbort, messageOf } from '../../lib/errors.ts'
import type { BuildQuery } from '../../wire/build.ts'
import { BodyParts } from './body-parts.ts'
import { decode } from './body.ts'
import { buildAnswer, type BuildAnswer } from './build-answer.ts'
import { agentsOf, checkDirectory, contextOf, namedContextsOf } from './build-contexts.ts'
import { buildQueryShape } from './build-query.ts'
import { authSource } from './registry-auth.ts'
import type { Call } from './route.ts'

/** Our own build: the context is a directory that both sides see, or the body; answers BuildEvents, one a line. */
export async function gantryBuild(engine: Pick<Engine, 'builder'>, call: Call): Promise<void> {
  const query = decode(buildQueryShape, call.query.json('request'))
  const { context: _context, remote: _remote, empty: _empty, sent: _sent, ...rest } = query
  const { contexts, ssh, secretBytes, outputs, cacheFrom, cacheTo, ...request } = rest
  const context = await contextOf(call, query)
  const body = new BodyParts(call.request)
  const named = contexts && (await namedContextsOf(call, contexts, body))
  const agents = ssh && (await agentsOf(call, ssh))
  for (const from of cacheFrom ?? []) if (from.kind === 'local') await checkCache(call, from)
  const secrets = secretBytes === undefined ? undefined : await readSecrets(body, secretBytes)
  const all = [...(outputs ?? []), ...(cacheTo ?? [])]
  const answer = buildAnswer(call.response, { outputs: all.some((output) => output.sent) })
  const requests = all.map((output, index) => outputOf(output, index + 1, answer))
  try {
    await engine.builder.build(
      call.op,
      {
        ...request,
        context,
        ...(named && { contexts: named }),
        ...(agents && { ssh: agents }),
        ...(secrets && { secrets }),
        auth: authSource(call),
        ...(outputs && { outputs: requests.slice(0, outputs.length) }),
        ...(cacheTo && { cacheTo: requests.slice(outputs?.length ?? 0) }),
        ...(cacheFrom && { cacheFrom }),
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

async function readSecrets(body: BodyParts, length: number): Promise<SecretSource> {
  const all = await body.take(length, 'its secrets')
  const entries = Object.entries(decode(secretsShape, parseSecrets(all)))
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

/** Like a context in place; there is no other way for this one. */
async function checkCache(call: Call, from: NonNullable<BuildQuery['context']>): Promise<void> {
  try {
    await checkDirectory(call, from, 'build context')
  } catch (cause) {
    const why = messageOf(cause)
      .replace('build contexts are', 'it is')
      .replace(/: send a tar$/, '')
    throw new EngineError('unsupported', `cache type=local: ${why}; use type=registry`, { cause })
  }
}
