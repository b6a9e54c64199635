import type { LayerForm } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { parseReference, withDefaultTag, type Reference } from '../../lib/reference.ts'
import type { Annotations } from './annotations.ts'
import { Attrs, layerFormOf, type OutputRequest, type SendTar } from './attrs.ts'

/** What becomes of a build's result. */
export type Output = StoreOutput | ArchiveOutput | FilesOutput | { readonly kind: 'nothing' }

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
  /** Each platform's files are in a folder of their own. */
  readonly split: boolean
  readonly send: SendTar
}

export interface ManifestOptions {
  readonly layers: LayerForm
  readonly ociTypes: boolean
  readonly annotations: Annotations
}

interface Wanted {
  readonly tags: readonly string[]
  /** The result are images for several platforms. */
  readonly several: boolean
}

/** What was asked for, with everything decided that can be before the build. Throws for what cannot be done. */
export function parseOutputs(requests: readonly OutputRequest[] | undefined, o: Wanted): Output[] {
  const all = requests?.length ? requests : [{ type: 'image', attrs: {} }]
  // buildx: asks for nothing but that the cache has it.
  const wanted = all.filter(({ type }) => type !== 'cacheonly')
  return wanted.map((request) => parseOutput(request, o))
}

function parseOutput(request: OutputRequest, o: Wanted): Output {
  const attrs = new Attrs(request, 'output')
  const output = read(request, attrs, o)
  attrs.refuseRest()
  return output
}

function read(request: OutputRequest, attrs: Attrs, o: Wanted): Output {
  const { type, send } = request
  const { tags } = o
  switch (type) {
    case 'local':
    case 'tar':
      if (!send) throw new EngineError('invalid', `output ${type} needs a receiver`)
      return { kind: 'files', format: type, split: splits(attrs, o), send }
    case 'oci':
    case 'docker':
      if (send && type === 'docker' && o.several)
        throw new EngineError('unsupported', 'docker exporter does not support exporting manifest lists')
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
      return storeOutput(attrs, o, false)
    case 'image':
    case 'moby':
      return storeOutput(attrs, o, false)
    case 'registry':
      return storeOutput(attrs, o, true)
    // For the cache alone.
    case 'cacheonly':
      return { kind: 'nothing' }
    default:
      throw new EngineError('unsupported', `output type ${JSON.stringify(type)} is not supported`)
  }
}

/** BuildKit: unless told otherwise, the files of one image stand by themselves, and those of several in folders. */
function splits(attrs: Attrs, o: Wanted): boolean {
  const split = attrs.flag('platform-split', o.several)
  if (o.several && !split) attrs.refuse('platform-split=false for several platforms')
  return split
}

function storeOutput(attrs: Attrs, { tags }: Wanted, registry: boolean): StoreOutput {
  const push = attrs.flag('push', registry)
  const manifest = manifestOptions(attrs, false)
  // What the local store does in any case.
  for (const name of ['unpack', 'store']) if (!attrs.flag(name, true)) attrs.refuse(name)
  if (!push && manifest.annotations.length > 0)
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
  const layers = layerFormOf(attrs)
  const annotations = attrs.annotations()
  return {
    layers,
    ociTypes: attrs.flag('oci-mediatypes', oci) || annotations.length > 0,
    annotations,
  }
}

/** Attestations stand beside manifests. Throws when no output, or one that needs to, can carry them. */
export function checkAttestations(outputs: readonly Output[]): void {
  const carries = (output: Output) =>
    (output.kind === 'archive' && output.format === 'oci') || (output.kind === 'store' && output.push)
  if (outputs.length === 0 || !outputs.every(carries))
    throw new EngineError(
      'unsupported',
      'attestations stand beside manifests: they need --push, or outputs of type oci, registry and image with push=true alone',
    )
}
