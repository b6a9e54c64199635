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
  const attrs = new Attrs(request, 'output')
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
    // For the cache alone.
    case 'cacheonly':
      return { kind: 'nothing' }
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
  const layers = layerFormOf(attrs)
  const annotations = attrs.annotations()
  return {
    layers,
    ociTypes: attrs.flag('oci-mediatypes', oci) || annotations.size > 0,
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
