import { pipeline } from 'node:stream/promises'
import { parseDigest, type Digest, type ObjectStat } from '../../distribution/index.ts'
import type { RepositoryCall } from './call.ts'
import { parseRange } from './range.ts'
import { isKnown, sendEmpty } from './respond.ts'

/** "Pulling blobs", and HEAD, "Checking if content exists in the registry". */
export async function getBlob(call: RepositoryCall, text: string): Promise<void> {
  const { op, request, response } = call
  const { blobs } = call.repository
  const digest = parseDigest(text)
  const isHead = request.method === 'HEAD'
  // Whoever asks without pulling will not push what is here.
  const found = await (isHead ? blobs.promise(op, digest) : blobs.stat(op, digest))
  const headers = headersOf(digest)
  if (isKnown(request, headers.ETag)) {
    response.writeHead(304, headers)
    return void response.end()
  }
  // RFC 9110, 14.2: a range is for GET alone.
  const range = isHead ? undefined : rangeOf(call, { digest, found })
  if (range === 'unsatisfiable')
    return sendEmpty(response, 416, { ...headers, 'Content-Range': `bytes */${found.size}` })
  const content = isHead ? undefined : await blobs.read(op, digest, range)
  response.writeHead(range ? 206 : 200, {
    ...headers,
    'Content-Length': range ? range.end - range.start + 1 : found.size,
    ...(range && { 'Content-Range': `bytes ${range.start}-${range.end}/${found.size}` }),
  })
  if (content) await pipeline(content, response, { signal: op.signal })
  else response.end()
}

/** "Deleting Blobs". */
export async function deleteBlob(call: RepositoryCall, text: string): Promise<void> {
  await call.repository.blobs.remove(call.committed, parseDigest(text))
  sendEmpty(call.response, 202)
}

function headersOf(digest: Digest) {
  return {
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'max-age=31536000, immutable',
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    // What people upload is never a page of this origin.
    'X-Content-Type-Options': 'nosniff',
  }
}

function rangeOf(call: RepositoryCall, o: { digest: Digest; found: ObjectStat }) {
  const { range, 'if-range': ifRange } = call.request.headers
  // RFC 9110, 13.1.5: with another entity tag, or a date, the whole is sent.
  if (range === undefined || (ifRange !== undefined && ifRange !== `"${o.digest}"`)) return undefined
  return parseRange(range, o.found.size)
}
