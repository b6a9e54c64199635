import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { EngineError } from '../../lib/errors.ts'

/** JSON bodies are configuration: larger ones are a mistake or an attack. Bytes. */
const maxBody = 8 * 1024 * 1024

/** Reads a JSON body; undefined when there is none. Throws kind `invalid`. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBody) throw new EngineError('invalid', `request body is larger than ${maxBody} bytes`)
    chunks.push(chunk)
  }
  if (size === 0) return undefined
  const type = request.headers['content-type']
  if (type !== undefined && !/^application\/json\b/i.test(type) && !/^text\/plain\b/i.test(type))
    throw new EngineError('invalid', `unsupported Content-Type header (${type}): must be 'application/json'`)
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (cause) {
    throw new EngineError('invalid', `invalid JSON: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    })
  }
}

/** Decodes a value of the outside; the message names the field. */
export function decode<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = deepest(result.error.issues)
  const field = issue.path.join('.')
  throw new EngineError(
    'invalid',
    `invalid request body: ${field === '' ? '' : `${field}: `}${issue.message}`,
  )
}

/** In a union the issue that says most is that of the branch which got furthest. */
function deepest(
  issues: readonly z.core.$ZodIssue[],
  prefix: PropertyKey[] = [],
): { path: PropertyKey[]; message: string } {
  const issue = issues[0]
  if (!issue) return { path: prefix, message: 'invalid value' }
  const path = [...prefix, ...issue.path]
  return { path, message: issue.message.replace(/^Invalid input: /, '') }
}
