/** Image archives made by hand, honest and hostile. */
import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { pack, type Header } from 'tar-stream'

export type Entry = Partial<Header> & { name: string; content?: string | Buffer }

/** A tar of these entries, as given: nothing is checked. */
export async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack()
  for (const { content, ...header } of entries)
    archive.entry({ mtime: new Date(0), ...header }, content ?? '')
  archive.finalize()
  return buffer(archive)
}

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')

/** What `docker save` writes: manifest.json, the config and the layers. */
export async function dockerArchive(o: {
  layers: readonly Buffer[]
  tags: readonly string[]
  config?: Record<string, unknown>
  /** Instead of the true ones. */
  diffIds?: readonly string[]
}): Promise<Buffer> {
  const config = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: o.config ?? { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: o.diffIds ?? o.layers.map((layer) => `sha256:${sha256(layer)}`) },
    history: o.layers.map((_, i) => ({ created: '2024-01-01T00:00:00Z', created_by: `layer ${i}` })),
  })
  const names = o.layers.map((layer) => `${sha256(layer)}/layer.tar`)
  return tar([
    { name: `${sha256(config)}.json`, content: config },
    ...o.layers.map((content, i) => ({ name: names[i] ?? '', content })),
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: `${sha256(config)}.json`, RepoTags: o.tags, Layers: names }]),
    },
  ])
}

/** An OCI layout of one name that stands for an image for each of these architectures; what they have in it is in `/arch`. */
export async function indexArchive(name: string, architectures: readonly string[]): Promise<Buffer> {
  const blobs = new Map<string, Entry>()
  const blob = (mediaType: string, content: Buffer | string) => {
    const digest = sha256(content)
    blobs.set(digest, { name: `blobs/sha256/${digest}`, content })
    return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(content) }
  }
  const json = (mediaType: string, value: object) => blob(mediaType, JSON.stringify(value))
  const types = 'application/vnd.oci.image'
  const manifests: object[] = []
  for (const architecture of architectures) {
    const layer = await tar([{ name: 'arch', content: architecture }])
    const rootfs = { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] }
    const config = json(`${types}.config.v1+json`, { architecture, os: 'linux', rootfs })
    const layers = [blob(`${types}.layer.v1.tar`, layer)]
    const mediaType = `${types}.manifest.v1+json`
    const manifest = json(mediaType, { schemaVersion: 2, mediaType, config, layers })
    manifests.push({ ...manifest, platform: { os: 'linux', architecture } })
  }
  const mediaType = `${types}.index.v1+json`
  const index = json(mediaType, { schemaVersion: 2, mediaType, manifests })
  const annotations = { 'io.containerd.image.name': `docker.io/library/${name}` }
  return tar([
    ...blobs.values(),
    {
      name: 'index.json',
      content: JSON.stringify({ schemaVersion: 2, manifests: [{ ...index, annotations }] }),
    },
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
  ])
}

/** One 512-byte header with true checksum; fields as text, so that they can lie. */
export function rawHeader(o: { name: string; size?: string; type?: string; link?: string }): Buffer {
  const block = Buffer.alloc(512)
  block.write(o.name, 0, 100, 'latin1')
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(o.size ?? '00000000000\0', 124, 12, 'latin1')
  block.write('00000000000\0', 136)
  block.write('        ', 148)
  block.write(o.type ?? '0', 156)
  block.write(o.link ?? '', 157, 100, 'latin1')
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
