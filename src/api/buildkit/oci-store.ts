import { mkdir, open, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { digestSchema } from '../../lib/digest-schema.ts'
import { hexOf, isDigest, type Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import { asEngineError, GrpcError } from './grpc/status.ts'
import { bytes, int64, message, nested, string } from './proto/message.ts'
import type { Session } from './session.ts'

/** Of containerd.services.content.v1.Content, which a client offers for a directory in OCI layout. */
const ReadRequest = message({ digest: string(1), offset: int64(2), size: int64(3) })
const ReadResponse = message({ offset: int64(1), data: bytes(2) })
const InfoRequest = message({ digest: string(1) })
const InfoResponse = message({ info: nested(1, message({ digest: string(1), size: int64(2) })) })
const service = '/containerd.services.content.v1.Content/'

const maxDocument = 8 << 20
const descriptor = z.object({
  digest: digestSchema,
  platform: z.object({ os: z.string(), architecture: z.string() }).nullish(),
})
const document = z.object({
  mediaType: z.string().default('application/vnd.oci.image.manifest.v1+json'),
  manifests: z.array(descriptor).max(1000).default([]),
  config: descriptor.optional(),
  layers: z.array(descriptor).max(500).default([]),
})

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** What `oci-layout://STORE:TAG@DIGEST` names. */
export function parseStore(text: string): { store: string; digest: Digest } {
  const [, store, wanted] = /^(?:\/\/)?([a-z0-9]+)(?::[^@]*)?@(.+)$/.exec(text) ?? []
  if (store === undefined || wanted === undefined || !isDigest(wanted))
    throw new EngineError('invalid', `invalid oci-layout reference ${JSON.stringify(text)}`)
  return { store, digest: wanted }
}

/** Brings one image of a client's directory in OCI layout into an empty directory of ours. Nothing is believed yet. */
export async function receiveLayout(
  op: Op,
  session: Session,
  o: { store: string; digest: Digest; root: string; platform: string | undefined },
): Promise<void> {
  if (!session.supports(`${service}Read`))
    throw new EngineError('invalid', 'the client does not offer the images that it names')
  const metadata = { 'buildkit-attachable-store-id': `oci:${o.store}` }
  const blobs = join(o.root, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  const fetch = async (inner: Op, wanted: Digest, limit: number) => {
    const chunks: Buffer[] = []
    let total = 0
    await using file = await open(join(blobs, hexOf(wanted)), 'w', 0o600)
    const call = session.client.open(inner, `${service}Read`, {
      request: ReadRequest,
      response: ReadResponse,
      metadata,
    })
    await call.send({ digest: wanted })
    call.end()
    for await (const { data } of call.messages) {
      total += data.length
      if (total > limit) throw new EngineError('invalid', `${wanted} is longer than ${limit} bytes`)
      if (limit === maxDocument) chunks.push(Buffer.from(data))
      await file.writeFile(data)
    }
    return Buffer.concat(chunks)
  }
  const read = async (wanted: Digest) => parse(await fetch(op, wanted, maxDocument), wanted)
  try {
    const top = await read(o.digest)
    const manifests =
      top.config === undefined ? await chosen(top.manifests, { platform: o.platform, read }) : [top]
    const parts = manifests.flatMap(({ config, layers }) => [...(config ? [config] : []), ...layers])
    const all = [...new Set(parts.map((part) => part.digest))]
    await group(
      op,
      all.map((each) => (inner: Op) => fetch(inner, each, Number.POSITIVE_INFINITY)),
      { limit: 4 },
    )
    const shapes = { request: InfoRequest, response: InfoResponse, metadata }
    const { info } = await session.client.unary(op, `${service}Info`, {
      ...shapes,
      value: { digest: o.digest },
    })
    const entry = { mediaType: top.mediaType, digest: o.digest, size: Number(info?.size ?? 0n) }
    await writeFile(join(o.root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    await writeFile(join(o.root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  } catch (error) {
    throw error instanceof GrpcError ? asEngineError(error, 'failed to read the image layout') : error
  }
}

type Document = z.infer<typeof document>

/** Of an index: what is for the platform. The builder looks for itself, and finds nothing else there. */
async function chosen(
  manifests: Document['manifests'],
  o: { platform: string | undefined; read(wanted: Digest): Promise<Document> },
): Promise<Document[]> {
  const wanted = o.platform?.split('/')[1] ?? architectures[arch()] ?? arch()
  const suits = manifests.filter(({ platform }) => platform == null || platform.architecture === wanted)
  return await Promise.all(suits.map((manifest) => o.read(manifest.digest)))
}

function parse(data: Buffer, wanted: Digest): Document {
  try {
    return document.parse(JSON.parse(data.toString()))
  } catch (cause) {
    throw new EngineError('invalid', `${wanted} of the image layout is no manifest`, { cause })
  }
}
