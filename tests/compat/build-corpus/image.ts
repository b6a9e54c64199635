/** A saved image as lines: config, history and every file that the base image does not have just so. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract, type Header } from 'tar-stream'
import { z } from 'zod'

const configSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  author: z.string().optional(),
  config: z.record(z.string(), z.unknown()),
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
  history: z.array(
    z.object({
      created_by: z.string().optional(),
      comment: z.string().optional(),
      author: z.string().optional(),
      empty_layer: z.boolean().optional(),
    }),
  ),
})
const manifestSchema = z.array(z.object({ Config: z.string(), Layers: z.array(z.string()) })).nonempty()

/** Path → what is there, in words: `file 644 0:0 "text"`; ` = PATH`: a hard link of that file, the first of the layer's that are one. */
export type Tree = ReadonlyMap<string, string>

export interface SavedImage {
  readonly config: z.infer<typeof configSchema>
  readonly tree: Tree
}

/** Reads what `docker save` wrote for one image. */
export async function readImage(archive: Buffer): Promise<SavedImage> {
  const parts = new Map<string, Buffer>()
  for await (const { header, content } of entries(archive)) parts.set(header.name, content)
  const part = (name: string): Buffer => {
    const found = parts.get(name)
    if (!found) throw new Error(`the archive has no ${name}`)
    return found
  }
  const [manifest] = manifestSchema.parse(JSON.parse(part('manifest.json').toString()))
  if (!manifest) throw new Error('the archive has no image')
  const tree = new Map<string, string>()
  for (const layer of manifest.Layers) await applyLayer(tree, part(layer))
  return { config: configSchema.parse(JSON.parse(part(manifest.Config).toString())), tree }
}

async function* entries(archive: Buffer): AsyncGenerator<{ header: Header; content: Buffer }> {
  const reader = extract()
  Readable.from([archive]).pipe(reader)
  for await (const entry of reader) yield { header: entry.header, content: await buffer(entry) }
}

async function applyLayer(tree: Map<string, string>, layer: Buffer): Promise<void> {
  // Whiteouts count for the layers below, wherever they stand in the archive.
  const added = new Map<string, string>()
  const files = new Map<string, string[]>()
  for await (const { header, content } of entries(layer)) {
    const path = `/${header.name}`.replace(/\/(\.\/)*/g, '/').replace(/(.)\/$/, '$1')
    const [, parent = '', name = ''] = /^(.*)\/([^/]*)$/.exec(path) ?? []
    if (name === '.wh..wh..opq') remove(tree, `${parent}/`)
    else if (name.startsWith('.wh.')) remove(tree, `${parent}/${name.slice(4)}`)
    else if (header.type === 'link') {
      const target = `/${(header.linkname ?? '').replace(/^\.?\//, '')}`
      const names = files.get(target) ?? [target]
      files.set(path, names)
      files.set(target, names)
      names.push(path)
      added.set(path, added.get(target) ?? `hard link to ${target}, which the layer does not have`)
    } else added.set(path, describe(header, content))
  }
  // Which of its names a file comes under in the archive is no matter.
  for (const names of new Set(files.values())) {
    const [first, ...others] = names.toSorted()
    for (const name of others) added.set(name, `${added.get(name)} = ${first}`)
  }
  for (const [path, what] of added) {
    if (!what.startsWith('dir')) remove(tree, path)
    tree.set(path, what)
  }
}

/** A path and what is below it; with a `/` at its end only the latter. */
function remove(tree: Map<string, string>, path: string): void {
  const below = path.endsWith('/') ? path : `${path}/`
  for (const known of tree.keys()) if (known === path || known.startsWith(below)) tree.delete(known)
}

function describe(header: Header, content: Buffer): string {
  const mode = ((header.mode ?? 0) & 0o7777).toString(8)
  const common = `${mode} ${header.uid ?? 0}:${header.gid ?? 0}${extended(header)}`
  switch (header.type) {
    case 'directory':
      return `dir ${common}`
    case 'symlink':
      return `link ${header.uid ?? 0}:${header.gid ?? 0} -> ${header.linkname ?? ''}`
    case 'file':
    case 'contiguous-file':
      return `file ${common} ${shown(content)}`
    default:
      return `${header.type ?? 'nothing'} ${common}`
  }
}

function extended(header: Header): string {
  const found = Object.entries(header.pax ?? {}).filter(([key]) => key.startsWith('SCHILY.xattr.'))
  return found.map(([key, value]) => ` ${key.slice(13)}=${JSON.stringify(value)}`).join('')
}

function shown(content: Buffer): string {
  const text = content.toString()
  if (content.length <= 400 && Buffer.from(text).equals(content)) return JSON.stringify(text)
  return `${content.length} bytes, sha256 ${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
}

/** Everything about an image that two builders must agree on; of what the base image has, only what is different now. */
export function imageLines(image: SavedImage, on: SavedImage): string[] {
  const { config, architecture, os, variant, author, rootfs, history } = image.config
  const lines = [`platform ${[os, architecture, variant].filter(Boolean).join('/')}`]
  if (author !== undefined) lines.push(`author ${author}`)
  for (const key of Object.keys(config).sort()) {
    const value = config[key]
    if (isSet(value)) lines.push(`config ${key} ${JSON.stringify(sorted(value))}`)
  }
  lines.push(`layers ${rootfs.diff_ids.length}`)
  for (const row of history) {
    const text = row.created_by ?? ''
    const marks = [
      row.empty_layer === true ? 'empty' : '',
      row.comment === 'buildkit.dockerfile.v0' || text.startsWith('layer ')
        ? ''
        : `comment=${row.comment ?? ''}`,
      row.author === undefined ? '' : `author=${row.author}`,
    ].filter(Boolean)
    lines.push(
      `history${marks.map((mark) => ` (${mark})`).join('')} ${/\p{Cc}/u.test(text) ? JSON.stringify(text) : text}`,
    )
  }
  const onBase = rootfs.diff_ids[0] === on.config.rootfs.diff_ids[0]
  const base: Tree = onBase ? on.tree : new Map()
  const paths = [...new Set([...base.keys(), ...image.tree.keys()])].sort()
  for (const path of paths) {
    const now = image.tree.get(path)
    if (now !== base.get(path)) lines.push(`${path} ${now ?? 'gone'}`)
  }
  // Which busybox it is, and for which machine, is no matter.
  const busybox = /\d+ bytes, sha256 \w+/.exec(on.tree.get('/bin/busybox') ?? '')?.[0] ?? 'busybox'
  return lines.map((line) => line.replaceAll(busybox, 'busybox').replaceAll(architecture, 'ARCH'))
}

/** Nothing, said in any of JSON's ways, is nothing. */
function isSet(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === false) return false
  return typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length > 0
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
