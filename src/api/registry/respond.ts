import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Call } from './call.ts'

export function sendJson(call: Call, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  const text = `${JSON.stringify(value)}\n`
  call.response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  })
  call.response.end(call.request.method === 'HEAD' ? undefined : text)
}

export function sendEmpty(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  // 204 has no length (RFC 9110, 8.6).
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'Content-Length': '0' }) })
  response.end()
}

/** `"<digest>"` in `If-None-Match` (RFC 9110, 13.1.2): content that is named by its digest never changes. */
export function isKnown(request: IncomingMessage, etag: string): boolean {
  const header = request.headers['if-none-match']
  return header !== undefined && matches(header, etag)
}

/** Whether a list of entity tags, or `*`, has this one. */
export function matches(header: string, etag: string): boolean {
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
}

/** Path of something in a repository; names, digests and tags need no escapes but the colon, which may stand in a path. */
export const pathOf = (name: string, rest: string) => `/v2/${name}/${rest}`
