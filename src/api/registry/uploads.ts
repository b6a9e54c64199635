import {
  DistributionError,
  isDigest,
  isName,
  parseDigest,
  type Digest,
  type Upload,
} from '../../distribution/index.ts'
import type { RepositoryCall } from './call.ts'
import { AnswerError, answerOf } from './errors.ts'
import { parseChunkRange } from './range.ts'
import { pathOf, sendEmpty } from './respond.ts'

/** "Pushing blobs": begins an upload; with `digest` all of it comes at once, with `mount` none of it needs to come. */
export async function startUpload(call: RepositoryCall): Promise<void> {
  const { query, repository, response } = call
  const mount = query.get('mount')
  if (mount !== null && isDigest(mount) && (await mounted(call, mount))) return sendCreated(call, mount)
  const digest = mount === null ? query.get('digest') : null
  if (digest === null) {
    const upload = await repository.blobs.start(call.op)
    return sendEmpty(response, 202, statusHeaders(call, upload))
  }
  const expected = parseDigest(digest)
  const upload = await repository.blobs.start(call.op)
  try {
    await append(call, upload)
    await repository.blobs.commit(call.committed, upload, expected)
  } catch (error) {
    // Nobody knows its address: it cannot go on.
    await upload.remove(call.committed)
    throw error
  }
  sendCreated(call, expected)
}

/** "Pushing a blob in chunks", and docker's streams without a range. */
export async function patchUpload(call: RepositoryCall, id: string): Promise<void> {
  const upload = await call.repository.blobs.upload(call.op, id)
  await append(call, upload)
  sendEmpty(call.response, 202, statusHeaders(call, upload))
}

/** The last request of an upload, perhaps with its last chunk, or with all of it. */
export async function finishUpload(call: RepositoryCall, id: string): Promise<void> {
  const upload = await call.repository.blobs.upload(call.op, id)
  const text = call.query.get('digest')
  if (text === null)
    throw new DistributionError(
      'DIGEST_INVALID',
      'an upload ends with the digest of its content: none was given',
    )
  const digest = parseDigest(text)
  await append(call, upload)
  await call.repository.blobs.commit(call.committed, upload, digest)
  sendCreated(call, digest)
}

export async function uploadStatus(call: RepositoryCall, id: string): Promise<void> {
  const upload = await call.repository.blobs.upload(call.op, id)
  sendEmpty(call.response, 204, statusHeaders(call, upload))
}

export async function cancelUpload(call: RepositoryCall, id: string): Promise<void> {
  const upload = await call.repository.blobs.upload(call.op, id)
  await upload.remove(call.committed)
  sendEmpty(call.response, 204)
}

/** "Mounting a blob from another repository". False when there is nothing to mount, or nothing that the caller may see. */
async function mounted(call: RepositoryCall, digest: Digest): Promise<boolean> {
  const from = call.query.get('from')
  if (from === null || !isName(from) || !call.identity.allows(from, 'pull')) return false
  const source = call.registry.repository(from)
  return await call.repository.blobs.mount(call.committed, digest, source.blobs)
}

/** Appends the body, where the request says that it belongs. */
async function append(call: RepositoryCall, upload: Upload): Promise<void> {
  const { request, limits } = call
  const length = lengthOf(request.headers['content-length'])
  const header = request.headers['content-range']
  const range = header === undefined ? undefined : parseChunkRange(header)
  // Docker: the bytes come with PATCH, the PUT after it has none.
  if (header === undefined && length === 0) return
  if (header !== undefined && !range)
    throw outOfRange(call, upload, `invalid Content-Range ${JSON.stringify(header.slice(0, 100))}`)
  if (range && length !== undefined && range.end - range.start + 1 !== length)
    throw new DistributionError(
      'SIZE_INVALID',
      `Content-Range ${header} is not of the ${length} bytes that Content-Length tells`,
    )
  try {
    await upload.append(call.op, request, {
      start: range?.start,
      length: range ? range.end - range.start + 1 : length,
      limit: limits.maxBlobSize,
    })
  } catch (error) {
    if (error instanceof DistributionError && error.code === 'RANGE_INVALID')
      throw outOfRange(call, upload, error.message)
    throw error
  }
}

/** 416 tells how far the upload is, so that the client can go on from there. */
function outOfRange(call: RepositoryCall, upload: Upload, message: string): AnswerError {
  const answer = answerOf(new DistributionError('RANGE_INVALID', message))
  return new AnswerError({ ...answer, headers: statusHeaders(call, upload) })
}

const lengthOf = (header: string | undefined) => (header === undefined ? undefined : Number(header))

function statusHeaders(call: RepositoryCall, upload: Upload): Readonly<Record<string, string>> {
  return {
    Location: pathOf(call.repository.name, `blobs/uploads/${upload.id}`),
    // Docker: `0-0` when nothing is here.
    Range: `0-${Math.max(upload.size - 1, 0)}`,
    'Docker-Upload-UUID': upload.id,
  }
}

function sendCreated(call: RepositoryCall, digest: Digest): void {
  sendEmpty(call.response, 201, {
    Location: pathOf(call.repository.name, `blobs/${digest}`),
    'Docker-Content-Digest': digest,
  })
}
