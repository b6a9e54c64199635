import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { EngineError } from '../../lib/errors.ts'
import { readBody } from '../read-body.ts'

/** JSON bodies are configuration: larger ones are a mistake or an attack. Bytes. */
const maxBody = 8 * 1024 * 1024
const tooLarge = () => new EngineError('invalid', `request body is larger than ${maxBody} bytes`)

/** Reads a JSON body; undefined when there is none. Throws kind `invalid`. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const body = await readBody(request, { max: maxBody, tooLarge })
  if (body.length === 0) return undefined
  const type = request.headers['content-type']
  if (type !== undefined && !/^application\/json\b/i.test(type) && !/^text\/plain\b/i.test(type))
    throw new EngineError('invalid', `unsupported Content-Type header (${type}): must be 'application/json'`)
  return parse(body)
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

/**
 * Reads the JSON object at the beginning of a body whose rest is stdin (exec start without an upgrade); undefined when there is
 * no body. What follows the object stays in the request.
 */
export async function readLeadingJson(request: IncomingMessage): Promise<unknown> {
  if (request.headers['transfer-encoding'] === undefined) return await readJson(request)
  let text = Buffer.alloc(0)
  for (;;) {
    const chunk = await nextChunk(request)
    if (chunk === undefined) break
    text = Buffer.concat([text, chunk])
    const end = endOfObject(text)
    if (end !== undefined) {
      if (end < text.length) request.unshift(text.subarray(end))
      return parse(text.subarray(0, end))
    }
    if (text.length > maxBody) throw tooLarge()
  }
  return text.length === 0 ? undefined : parse(text)
}

function nextChunk(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const attempt = () => {
      const chunk = request.read() as Buffer | null
      if (chunk !== null) settle(() => resolve(chunk))
      else if (request.readableEnded) settle(() => resolve(undefined))
    }
    const onEnd = () => settle(() => resolve(undefined))
    const onError = (error: Error) => settle(() => reject(error))
    const settle = (finish: () => void) => {
      request.off('readable', attempt)
      request.off('end', onEnd)
      request.off('error', onError)
      finish()
    }
    request.on('readable', attempt)
    request.on('end', onEnd)
    request.on('error', onError)
    attempt()
  })
}

/** Where the object that the text begins with ends; undefined when it is not complete. */
function endOfObject(text: Buffer): number | undefined {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const byte = text[i]
    if (quoted) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b) depth++
    else if (byte === 0x7d && --depth === 0) return i + 1
  }
  return undefined
}

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch (cause) {
    throw new EngineError('invalid', `invalid JSON: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    })
  }
}
