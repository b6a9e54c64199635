import type { Readable } from 'node:stream'
import type { LayerCompression, LayerForm } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { parseReference, withDefaultTag, type Reference } from '../../lib/reference.ts'
import { readAnnotation, type Annotations } from './annotations.ts'

/** Hands a tar to whoever asked for it; called once, when the build has succeeded. It takes all of the tar or rejects. */
export type SendTar = (op: Op, tar: Readable) => Promise<void>

/** An exporter in BuildKit's words: `oci` with `name`, `compression` and so on. Without `send` the result stays here. */
export interface OutputRequest {
  readonly type: string
  readonly attrs: Readonly<Record<string, string>>
  readonly send?: SendTar
}

/** What becomes of a build's result. */
export type Output = StoreOutput | ArchiveOutput | FilesOutput

/** An image of the local store, pushed from there if `push` is set. */
export interface StoreOutput {
  readonly kind: 'store'
  readonly names: readonly Reference[]
  readonly push: boolean
  readonly manifest: ManifestOptions
}

export interface ArchiveOutput {
  readonly kind: 'archive'
  readonly format: 'oci' | 'docker'
  readonly names: readonly Reference[]
  readonly manifest: ManifestOptions
  readonly send: SendTar
}

/** The files of the image's root: to be unpacked by the receiver (`local`), or as one archive. */
export interface FilesOutput {
  readonly kind: 'files'
  readonly format: 'local' | 'tar'
  readonly send: SendTar
}

export interface ManifestOptions {
  readonly layers: LayerForm
  readonly ociTypes: boolean
  readonly annotations: Annotations
}

/** What was asked for, with everything decided that can be before the build. Throws for what cannot be done. */
export function parseOutputs(
  requests: readonly OutputRequest[] | undefined,
  tags: readonly string[],
): Output[] {
  const all = requests?.length ? requests : [{ type: 'image', attrs: {} }]
  // buildx: asks for nothing but that the cache has it.
  const wanted = all.filter(({ type }) => type !== 'cacheonly')
  return wanted.map((request) => parseOutput(request, tags))
}

function parseOutput(request: OutputRequest, tags: readonly string[]): Output {
  const attrs = new Attrs(request)
  const output = read(request, attrs, tags)
  attrs.refuseRest()
  return output
}

function read(request: OutputRequest, attrs: Attrs, tags: readonly string[]): Output {
  const { type, send } = request
  switch (type) {
    case 'local':
    case 'tar':
      attrs.flag('platform-split', false)
      if (!send) throw new EngineError('invalid', `output ${type} needs a receiver`)
      return { kind: 'files', format: type, send }
    case 'oci':
    case 'docker':
      if (send) {
        const names = namesOf(attrs, tags)
        return {
          kind: 'archive',
          format: type,
          names,
          manifest: manifestOptions(attrs, type === 'oci'),
          send,
        }
      }
      if (type === 'oci') throw new EngineError('invalid', 'output oci needs a receiver')
      return storeOutput(attrs, tags, false)
    case 'image':
    case 'moby':
      return storeOutput(attrs, tags, false)
    case 'registry':
      return storeOutput(attrs, tags, true)
    default:
      throw new EngineError('unsupported', `output type ${JSON.stringify(type)} is not supported`)
  }
}

function storeOutput(attrs: Attrs, tags: readonly string[], registry: boolean): StoreOutput {
  const push = attrs.flag('push', registry)
  const manifest = manifestOptions(attrs, false)
  // What the local store does in any case.
  for (const name of ['unpack', 'store']) if (!attrs.flag(name, true)) attrs.refuse(name)
  if (!push && manifest.annotations.size > 0)
    throw new EngineError(
      'unsupported',
      'annotations are kept in manifests, which images of the local store do not have: use --push, or output type oci',
    )
  const names = namesOf(attrs, tags)
  if (push && names.length === 0) throw new EngineError('invalid', 'tag is needed when pushing to registry')
  return { kind: 'store', names, push, manifest }
}

function namesOf(attrs: Attrs, tags: readonly string[]): Reference[] {
  const given = (attrs.text('name') ?? '').split(',').map((name) => name.trim())
  const all = [...new Set([...given, ...tags])].filter((name) => name !== '' && name !== '*')
  return all.map(checkTag)
}

export function checkTag(tag: string): Reference {
  const reference = parseReference(tag)
  if (reference.digest !== undefined)
    throw new EngineError('invalid', `refusing to create a tag with a digest reference: ${tag}`)
  return withDefaultTag(reference)
}

function manifestOptions(attrs: Attrs, oci: boolean): ManifestOptions {
  const compression = compressionOf(attrs.text('compression') ?? 'gzip')
  const level = attrs.integer('compression-level')
  const most = compression === 'zstd' ? 22 : 9
  if (level !== undefined && (compression === 'uncompressed' || level < 0 || level > most))
    throw new EngineError(
      'invalid',
      `compression level ${level} does not fit ${compression}: gzip has 0 to 9, zstd 0 to 22`,
    )
  const force = attrs.flag('force-compression', false)
  const annotations = attrs.annotations()
  return {
    layers: { compression, force, ...(level !== undefined && { level }) },
    ociTypes: attrs.flag('oci-mediatypes', oci) || annotations.size > 0,
    annotations,
  }
}

function compressionOf(text: string): LayerCompression {
  switch (text) {
    case 'uncompressed':
    case 'gzip':
    case 'zstd':
      return text
    default:
      throw new EngineError(
        'unsupported',
        `layer compression ${JSON.stringify(text)} is not supported: there are uncompressed, gzip and zstd`,
      )
  }
}

/** Attributes of one output; what nobody asked about in the end is refused by name. */
class Attrs {
  readonly #type: string
  readonly #left: Map<string, string>

  constructor(request: OutputRequest) {
    this.#type = request.type
    this.#left = new Map(Object.entries(request.attrs))
  }

  text(name: string): string | undefined {
    const value = this.#left.get(name)
    this.#left.delete(name)
    return value
  }

  flag(name: string, initial: boolean): boolean {
    const value = this.text(name)
    // Go's ParseBool; a name alone comes as ''.
    if (value === undefined) return initial
    if (['', '1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true
    if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false
    throw new EngineError('invalid', `non-bool value ${JSON.stringify(value)} specified for ${name}`)
  }

  integer(name: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (!/^\d{1,4}$/.test(value))
      throw new EngineError('invalid', `non-int value ${JSON.stringify(value)} specified for ${name}`)
    return Number(value)
  }

  annotations(): Annotations {
    const all: Annotations = new Map()
    for (const [name, value] of this.#left) if (readAnnotation(all, name, value)) this.#left.delete(name)
    return all
  }

  refuse(name: string): never {
    throw new EngineError('unsupported', `output ${this.#type}: ${name} is not supported`)
  }

  refuseRest(): void {
    for (const name of this.#left.keys()) this.refuse(name)
  }
}
