import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ContentStore } from '../content/index.ts'
import { digestOf } from '../lib/digest.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { encodeHeader, padded, Snapshots, type TarType } from '../snapshot/index.ts'
import { Leases, Store } from '../store/index.ts'
import type { Emit } from '../wire/system.ts'
import { Images, type OciImage } from './index.ts'

const op = background(silentLogger)

export interface Engine {
  root: string
  store: Store
  content: ContentStore
  snapshots: Snapshots
  images: Images
  leases: Leases
  events: string[]
}

/** An image store in a directory; `snapshots` is to be closed. */
export async function openImages(root: string): Promise<Engine> {
  await mkdir(root, { recursive: true })
  const store = Store.open(join(root, 'db'))
  const leases = new Leases()
  const content = await ContentStore.open(join(root, 'content'))
  const snapshots = await Snapshots.open(op, { root: join(root, 'snap'), store, leases })
  const events: string[] = []
  const emit: Emit = (event) =>
    void events.push(`${event.action} ${event.attributes?.['name']?.replace(/^sha256:.*/, 'id') ?? ''}`)
  const images = await Images.open(op, { store, content, snapshots, leases, emit })
  return { root, store, content, snapshots, images, leases, events }
}

/** Of an archive. */
export type File = [name: string, data: Buffer | string, type?: TarType, link?: string]

export function tar(files: readonly File[]): Buffer {
  const parts = files.flatMap(([name, content, type = 'file', linkName = '']) => {
    const data = Buffer.from(content)
    const common = {
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtime: { sec: 1, nsec: 0 },
      major: 0,
      minor: 0,
      xattrs: new Map(),
    }
    const header = encodeHeader({ ...common, name, type, linkName, size: data.length })
    return [header, data, Buffer.alloc(padded(data.length) - data.length)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

export function configOf(layers: readonly Buffer[], more: Partial<OciImage> = {}): Buffer {
  const config: OciImage = {
    architecture: 'amd64',
    os: 'linux',
    created: '2024-01-02T03:04:05Z',
    config: { Cmd: ['sh'], Env: ['A=b'] },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
    history: layers.map((_, index) => ({ created: '2024-01-02T03:04:05Z', created_by: `step ${index}` })),
    ...more,
  }
  return Buffer.from(JSON.stringify(config))
}
