import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { group } from '../lib/group.ts'
import { detached, type Op } from '../lib/op.ts'
import { bodyOf, type S3Body, type S3Client } from './s3-client.ts'
import { S3Error } from './s3-errors.ts'
import { escapeXml, parseXml } from './s3-xml.ts'

/** S3's bound of parts in one upload. */
const maxParts = 10_000
const partsAtOnce = 4
const readSize = 1 << 20
/** The server joins the parts before it answers. */
const completeMs = 600_000
const abortMs = 30_000

/** A part of a local file, read when it is sent; nothing of it stays in memory. */
export async function fileBody(
  op: Op,
  path: string,
  o: { start: number; size: number; sha256?: string | undefined },
): Promise<S3Body> {
  const open = () =>
    o.size === 0
      ? Buffer.alloc(0)
      : createReadStream(path, {
          start: o.start,
          end: o.start + o.size - 1,
          highWaterMark: readSize,
          signal: op.signal,
        })
  if (o.sha256 !== undefined) return { size: o.size, sha256: o.sha256, open }
  const digest = createHash('sha256')
  const source = open()
  if (Buffer.isBuffer(source)) digest.update(source)
  else for await (const chunk of source as AsyncIterable<Buffer>) digest.update(chunk)
  return { size: o.size, sha256: digest.digest('hex'), open }
}

/** Uploads a large file in parts, several at a time. The object appears whole, or the parts are given back. */
export async function uploadParts(
  op: Op,
  client: S3Client,
  o: { key: string; file: string; size: number; partSize: number },
): Promise<void> {
  const { key } = o
  const { text } = await client.text(op, { method: 'POST', key, query: { uploads: '' }, ok: [200] })
  const uploadId = parseXml(text).text('UploadId')
  if (uploadId === undefined || uploadId === '')
    throw new S3Error(`${client.nameOf({ method: 'POST', key })}: the S3 server began no upload`, {
      temporary: false,
    })
  try {
    // Part sizes grow with files that would need too many.
    const partSize = Math.max(o.partSize, Math.ceil(o.size / maxParts / (1 << 20)) << 20)
    const tasks = Array.from({ length: Math.ceil(o.size / partSize) }, (_, index) => async (each: Op) => {
      const start = index * partSize
      const body = await fileBody(each, o.file, { start, size: Math.min(partSize, o.size - start) })
      const query = { partNumber: String(index + 1), uploadId }
      const response = await client.send(each, { method: 'PUT', key, query, body, ok: [200] })
      response.body.resume()
      const etag = response.headers.etag
      if (etag === undefined)
        throw new S3Error(`${client.nameOf({ method: 'PUT', key })}: the S3 server gave a part no ETag`, {
          temporary: false,
        })
      return etag
    })
    await complete(op, client, {
      key,
      uploadId,
      size: o.size,
      etags: await group(op, tasks, { limit: partsAtOnce }),
    })
  } catch (error) {
    await abortUpload(detached(op, abortMs), client, { key, uploadId }).catch((failure: unknown) =>
      op.log.warn('an upload to S3 could not be given up', { key, error: failure }),
    )
    throw error
  }
}

export async function abortUpload(
  op: Op,
  client: S3Client,
  o: { key: string; uploadId: string },
): Promise<void> {
  const query = { uploadId: o.uploadId }
  const response = await client.send(op, { method: 'DELETE', key: o.key, query, ok: [200, 204, 404] })
  response.body.resume()
}

async function complete(
  op: Op,
  client: S3Client,
  o: { key: string; uploadId: string; size: number; etags: readonly string[] },
): Promise<void> {
  const parts = o.etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
  )
  const body = bodyOf(
    Buffer.from(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`,
    ),
  )
  const what = client.nameOf({ method: 'POST', key: o.key })
  const query = { uploadId: o.uploadId }
  let failure: S3Error | undefined
  try {
    const request = { method: 'POST', key: o.key, query, body, ok: [200], answerMs: completeMs } as const
    const { text } = await client.text(op, request)
    const answer = parseXml(text)
    // The status was sent before the parts were joined: a failure after that is told in the body alone.
    if (answer.name === 'Error')
      failure = new S3Error(
        `${what}: the S3 server could not join the parts: ${answer.text('Code') ?? 'no code'}`,
        {
          code: answer.text('Code'),
          temporary: true,
        },
      )
  } catch (error) {
    // An earlier try was done, and only its answer was lost.
    if (!(error instanceof S3Error) || error.code !== 'NoSuchUpload') throw error
    failure = error
  }
  const head = await client.send(op, { method: 'HEAD', key: o.key, ok: [200, 404] })
  head.body.resume()
  const there = head.status === 200 && Number(head.headers['content-length']) === o.size
  if (!there)
    throw (
      failure ??
      new S3Error(`${what}: the S3 server joined the parts to an object of another size`, { temporary: true })
    )
}
