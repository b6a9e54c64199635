import {
  documentOf,
  layoutArchive,
  manifestOf,
  ociTypes,
  type Distribution,
  type Document,
  type Images,
  type LayerBlob,
} from '../../image/index.ts'
import { digestOf, type Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, parseReference, withDefaultTag } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import { Attrs, layerFormOf, type OutputRequest, type SendTar } from '../output/attrs.ts'

import type { AuthSource } from '../request.ts'
import type { Io } from '../solver/vertex.ts'
import { cacheConfigType, documentOfFindings, type Finding } from './document.ts'
import { layerAnnotation } from './sources.ts'

/** What `--cache-to` asks for, checked. */
export type CacheExport = { readonly ignoreErrors: boolean } & (
  | { readonly kind: 'inline' }
  | (Content & { readonly kind: 'local'; readonly tag: string; readonly send: SendTar })
  | (Content & { readonly kind: 'registry'; readonly reference: string })
)

interface Content {
  readonly mode: 'min' | 'max'
  readonly form: ReturnType<typeof layerFormOf>
}

export function parseCacheExport(request: OutputRequest): CacheExport {
  const attrs = new Attrs(request, 'cache')
  const ignoreErrors = attrs.flag('ignore-error', false)
  const result = read(request, attrs, ignoreErrors)
  attrs.refuseRest()
  return result
}

function read(request: OutputRequest, attrs: Attrs, ignoreErrors: boolean): CacheExport {
  const { type, send } = request
  const mode = attrs.text('mode') ?? 'min'
  if (mode !== 'min' && mode !== 'max')
    throw new EngineError('invalid', `invalid cache mode ${JSON.stringify(mode)}: there are min and max`)
  switch (type) {
    case 'inline':
      return { kind: 'inline', ignoreErrors }
    case 'local': {
      if (!send)
        throw new EngineError(
          'unsupported',
          'cache export to type=local is not supported for this client: use type=registry',
        )
      // Always so here.
      for (const name of ['oci-mediatypes', 'image-manifest'])
        if (!attrs.flag(name, true)) attrs.refuse(`${name}=false`)
      const tag = attrs.text('tag') ?? 'latest'
      return { kind: 'local', tag, send, mode, form: layerFormOf(attrs), ignoreErrors }
    }
    case 'registry': {
      for (const name of ['oci-mediatypes', 'image-manifest'])
        if (!attrs.flag(name, true)) attrs.refuse(`${name}=false`)
      const reference = attrs.text('ref') ?? ''
      if (reference === '') throw new EngineError('invalid', 'cache type=registry needs a ref')
      return {
        kind: 'registry',
        reference: canonical(withDefaultTag(parseReference(reference))),
        mode,
        form: layerFormOf(attrs),
        ignoreErrors,
      }
    }
    default:
      throw new EngineError(
        'unsupported',
        `cache type ${JSON.stringify(type)} is not supported: there are inline, local and registry`,
      )
  }
}

/** Writes a cache to where it was asked for. Returns the digest of its manifest. */
export async function exportCache(
  op: Op,
  to: Exclude<CacheExport, { kind: 'inline' }>,
  o: {
    findings: readonly Finding[]
    /** Whose bytes go along. */
    layers: ReadonlySet<Digest>
    images: Images
    distribution?: Distribution | undefined
    auth: AuthSource | undefined
    lease: Lease
    io: Io
  },
): Promise<Digest> {
  const prepared = o.io.status('preparing build cache for export')
  const { images, lease } = o
  const { form } = to
  const layers = await group(
    op,
    [...o.layers].map((layer) => (inner) => images.blobs.describe(inner, layer, { form, lease })),
    { limit: 2 },
  )
  const { config, manifest } = cacheManifest(o.findings, layers)
  prepared()
  const written = o.io.status(`writing cache manifest ${manifest.descriptor.digest}`)
  if (to.kind === 'local') {
    const named = { ...manifest.descriptor, annotations: { 'org.opencontainers.image.ref.name': to.tag } }
    const layout = { manifests: [named], documents: [config, manifest], layers }
    await to.send(op, layoutArchive(op, layout, images.blobs))
  } else {
    if (!o.distribution)
      throw new EngineError('unsupported', 'cache type=registry: registries are not supported yet')
    const reference = parseReference(to.reference)
    await o.distribution.pushDocuments(op, reference, {
      auth: await o.auth?.of(op, reference.domain),
      report: () => {},
      layers,
      configs: [config],
      manifests: [manifest],
    })
  }
  written()
  return manifest.descriptor.digest
}

function cacheManifest(
  findings: readonly Finding[],
  layers: readonly LayerBlob[],
): { config: Document; manifest: Document } {
  const data = Buffer.from(JSON.stringify(documentOfFindings(findings)))
  const config = {
    descriptor: { mediaType: cacheConfigType, digest: digestOf(data), size: data.length },
    data,
  }
  const plain = manifestOf({ config: config.descriptor, layers, oci: true })
  // An image's manifest, but for the type of its configuration and the layers' names.
  const parsed = JSON.parse(plain.data.toString('utf8')) as { layers: object[] }
  const manifest = documentOf(ociTypes.manifest, {
    ...parsed,
    config: config.descriptor,
    layers: parsed.layers.map((each, position) => ({
      ...each,
      annotations: { [layerAnnotation]: layers[position]?.diffId },
    })),
  })
  return { config, manifest }
}
