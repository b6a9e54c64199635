import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { S3Client } from './s3-client.ts'
import { parseXml } from './s3-xml.ts'
import type { ObjectEntry } from './storage.ts'

/** Other objects may lie below the prefix, and the owner's mark does; they are none of the storage's, and passed over. */
const ours = /^[A-Za-z0-9_-][A-Za-z0-9._/-]*$/

export interface ListPage {
  readonly objects: readonly ObjectEntry[]
  /** With a delimiter: what the keys of further objects begin with, up to and including it. */
  readonly folders: readonly string[]
}

/** ListObjectsV2, page by page. Keys are without the storage's prefix. */
export async function* listPages(
  op: Op,
  client: S3Client,
  o: { root: string; prefix: string; after?: string | undefined; folders: boolean },
): AsyncGenerator<ListPage> {
  const query: Record<string, string> = { 'list-type': '2', prefix: o.root + o.prefix }
  if (o.folders) query['delimiter'] = '/'
  if (o.after !== undefined) query['start-after'] = o.root + o.after
  for (;;) {
    const { text } = await client.text(op, { method: 'GET', query, ok: [200] })
    const answer = parseXml(text)
    const key = (full: string | undefined) => decodeKey(full, o)
    yield {
      objects: answer.all('Contents').flatMap((one) => {
        const size = Number(one.text('Size'))
        const modified = new Date(one.text('LastModified') ?? '')
        const name = key(one.text('Key'))
        if (name === undefined) return []
        if (!Number.isSafeInteger(size) || Number.isNaN(modified.getTime()))
          throw new EngineError('unavailable', 'the S3 server lists objects without size or time')
        return [{ key: name, size, modified }]
      }),
      folders: answer.all('CommonPrefixes').flatMap((one) => key(one.text('Prefix')) ?? []),
    }
    const next = answer.text('NextContinuationToken')
    if (answer.text('IsTruncated') !== 'true') return
    if (next === undefined || next === '' || next === query['continuation-token'])
      throw new EngineError('unavailable', 'the S3 server does not say how its list goes on')
    query['continuation-token'] = next
  }
}

/** Uploads in parts that were begun before `before` and neither completed nor given up. */
export async function* oldUploads(
  op: Op,
  client: S3Client,
  o: { root: string; before: Date },
): AsyncGenerator<{ key: string; uploadId: string }> {
  const query: Record<string, string> = { uploads: '', prefix: o.root }
  for (;;) {
    const { text } = await client.text(op, { method: 'GET', query, ok: [200] })
    const answer = parseXml(text)
    for (const one of answer.all('Upload')) {
      const key = decodeKey(one.text('Key'), { root: o.root, prefix: '' })
      const uploadId = one.text('UploadId')
      const begun = Date.parse(one.text('Initiated') ?? '')
      if (key !== undefined && uploadId !== undefined && begun < o.before.getTime()) yield { key, uploadId }
    }
    const [nextKey, nextId] = [answer.text('NextKeyMarker'), answer.text('NextUploadIdMarker')]
    if (answer.text('IsTruncated') !== 'true' || nextKey === undefined) return
    query['key-marker'] = nextKey
    if (nextId !== undefined) query['upload-id-marker'] = nextId
  }
}

function decodeKey(full: string | undefined, o: { root: string; prefix: string }): string | undefined {
  if (full === undefined || !full.startsWith(o.root + o.prefix)) return undefined
  const key = full.slice(o.root.length)
  return ours.test(key) ? key : undefined
}
