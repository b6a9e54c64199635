import type { IncomingHttpHeaders } from 'node:http'
import { isDigest, parseDigest, type StoredManifest } from '../../distribution/index.ts'
import type { RepositoryCall } from './call.ts'
import { isKnown, matches, pathOf, sendEmpty } from './respond.ts'

/**
 * "Pulling manifests", and HEAD, "Checking if content exists in the registry". What was pushed is what is sent, whatever `Accept` says:
 * its digest would be another otherwise.
 */
export async function getManifest(call: RepositoryCall, reference: string): Promise<void> {
  const { request, response } = call
  const { manifests } = call.repository
  const found = await manifests.promise(call.op, checked(reference))
  const headers = headersOf(found)
  if (isKnown(request, headers.ETag)) {
    response.writeHead(304, headers)
    return void response.end()
  }
  const data = request.method === 'HEAD' ? undefined : await manifests.bytes(call.op, found.digest)
  response.writeHead(200, { ...headers, 'Content-Length': found.record.size })
  response.end(data)
}

/** "Pushing Manifests". */
export async function putManifest(call: RepositoryCall, reference: string): Promise<void> {
  const { request, limits, bodies, repository } = call
  const digest = isDigestLike(reference) ? parseDigest(reference) : undefined
  const data = await bodies.read(request, { max: limits.maxManifestSize, what: 'the manifest' })
  const put = await repository.manifests.put(call.committed, data, {
    mediaType: mediaTypeOf(request.headers['content-type'] ?? ''),
    digest,
    tag: digest === undefined ? reference : undefined,
    condition: conditionOf(request.headers),
  })
  sendEmpty(call.response, 201, {
    Location: pathOf(repository.name, `manifests/${put.digest}`),
    'Docker-Content-Digest': put.digest,
    // "Pushing Manifests with Subject".
    ...(put.subject && { 'OCI-Subject': put.subject }),
  })
}

/** "Deleting tags" and "Deleting Manifests". */
export async function deleteManifest(call: RepositoryCall, reference: string): Promise<void> {
  const { manifests, tags } = call.repository
  if (isDigestLike(reference)) await manifests.remove(call.committed, parseDigest(reference))
  else await tags.remove(call.committed, reference)
  sendEmpty(call.response, 202)
}

/** Tags have no colon. */
const isDigestLike = (reference: string) => reference.includes(':')

/** Throws DIGEST_INVALID for what looks like a digest and is none. */
function checked(reference: string): string {
  return isDigestLike(reference) && !isDigest(reference) ? parseDigest(reference) : reference
}

/** RFC 9110, 13.1: clients that keep a list in a tag ("Referrers Tag Schema") do not want to lose another's change. */
function conditionOf(headers: IncomingHttpHeaders): ((current: string | undefined) => boolean) | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  if (match === undefined && noneMatch === undefined) return undefined
  const names = (header: string, current: string | undefined) =>
    current !== undefined && matches(header, `"${current}"`)
  return (current) =>
    (match === undefined || names(match, current)) && (noneMatch === undefined || !names(noneMatch, current))
}

/** Without its parameters (RFC 9110, 8.3.1), in lower case. */
function mediaTypeOf(header: string): string {
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase()
}

function headersOf({ digest, record, stale }: StoredManifest) {
  return {
    'Content-Type': record.mediaType,
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    'X-Content-Type-Options': 'nosniff',
    // Not verified with the upstream, which does not answer. "Warnings": the code MUST be 299, the agent `-`, without a date.
    ...(stale && { Warning: '299 - "Response is Stale"' }),
  }
}
