/** buildx imagetools inspect, create: images at registries, without pulling them. */
import { canonical, parseReference, repositoryOf, withDefaultTag } from '../../lib/reference.ts'
import type { RemoteManifest } from '../../wire/registry.ts'
import { command, ExitError, type Context } from '../command.ts'
import { bool, list, string } from '../flags.ts'
import { credentialsOf } from './manifest.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')

interface Entry {
  mediaType: string
  digest: string
  size: number
  platform?: { os: string; architecture: string; variant?: string }
  annotations?: Record<string, string>
}

const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
const ociIndex = 'application/vnd.oci.image.index.v1+json'

export const inspect = command({
  usage: '[OPTIONS] NAME',
  arguments: [1, 1],
  flags: {
    builder: string('Only "default": there is one builder, the daemon'),
    format: string('Format the output using the given Go template'),
    raw: bool('Show original, unformatted JSON manifest'),
  },
  async run(context, flags, [name = '']) {
    refuseBuilder(flags.builder)
    const found = await context.client.registry.manifest(name, await credentialsOf(context))
    if (flags.raw) {
      context.out(Buffer.from(found.raw, 'base64').toString())
      return
    }
    const ref = canonical(withDefaultTag(parseReference(name)))
    const { manifests } = documentIn(found)
    if (flags.format !== '') {
      const { Template } = await import('../../lib/go-template.ts')
      const { mediaType, digest, size } = found
      const Manifest = { mediaType, digest, size, ...(manifests && { manifests }) }
      context.out(`${Template.parse(flags.format).execute({ Name: ref, Manifest })}\n`)
      return
    }
    context.out(`Name:      ${ref}\nMediaType: ${found.mediaType}\nDigest:    ${found.digest}\n`)
    if (!manifests) return
    context.out('           \nManifests: \n')
    const blocks = manifests.map((entry) => {
      const { platform, annotations = {} } = entry
      const of = platform && [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
      const notes = Object.entries(annotations).map(([key, value]) => `    ${key}: ${value}\n`)
      return [
        `  Name:      ${ref}@${entry.digest}\n`,
        `  MediaType: ${entry.mediaType}\n`,
        of === undefined ? '' : `  Platform:  ${of}\n`,
        notes.length > 0 ? `  Annotations: \n${notes.join('')}` : '',
      ].join('')
    })
    context.out(blocks.join('             \n'))
  },
})

export const create = command({
  usage: '[OPTIONS] [SOURCE] [SOURCE...]',
  arguments: [0, Infinity],
  flags: {
    annotation: list('Add annotation to the image', { kind: 'stringArray' }),
    append: bool('Append to existing manifest'),
    builder: string('Only "default": there is one builder, the daemon'),
    'dry-run': bool('Show final image instead of pushing'),
    file: list('Read source descriptor from file', { short: 'f', kind: 'stringArray' }),
    tag: list('Set reference for new image', { short: 't', kind: 'stringArray' }),
  },
  async run(context, flags, names) {
    refuseBuilder(flags.builder)
    if (names.length === 0 && flags.file.length === 0 && !flags.append)
      throw new ExitError(1, 'no sources specified')
    if (flags.tag.length === 0 && (flags.append || !flags['dry-run'] || flags.file.length > 0))
      throw new ExitError(1, "can't push with no tags specified, please set --tag or --dry-run")
    const { name, sources, entries, single } = await gather(context, { ...flags, names })
    const annotations = Object.fromEntries(flags.annotation.map(splitAnnotation))
    const plain = single && flags.annotation.length === 0
    const document = plain ? { mediaType: single.mediaType, raw: single.raw } : indexOf(entries, annotations)
    if (flags['dry-run']) {
      const value: unknown = JSON.parse(Buffer.from(document.raw, 'base64').toString())
      context.out(`${JSON.stringify(value, undefined, 2)}\n`)
      return
    }
    const credentials = await credentialsOf(context)
    for (const tag of flags.tag) {
      const { digest } = await context.client.registry.putManifest(
        tag,
        { ...document, sources },
        { credentials },
      )
      context.err(`pushed ${name(tag)} with digest ${digest}\n`)
    }
  },
})

async function gather(
  context: Context,
  o: { names: readonly string[]; tag: readonly string[]; file: readonly string[]; append: boolean },
): Promise<{
  name: (text: string) => string
  sources: string[]
  entries: Entry[]
  /** One manifest that is to be copied as it is. */
  single: RemoteManifest | undefined
}> {
  const name = (text: string) => canonical(withDefaultTag(parseReference(text)))
  const [firstTag] = o.tag
  const names = [...(o.append && firstTag !== undefined ? [firstTag] : []), ...o.names]
  const credentials = await credentialsOf(context)
  const found = await Promise.all(
    names.map(async (each) => ({
      each,
      manifest: await context.client.registry.manifest(each, credentials),
    })),
  )
  const sources = found.map(
    ({ each, manifest }) => `${repositoryOf(parseReference(each))}@${manifest.digest}`,
  )
  const entries = found.flatMap(({ manifest }): Entry[] => {
    const { manifests } = documentIn(manifest)
    if (manifests) return manifests
    const { mediaType, digest, size, platform } = manifest
    return [{ mediaType, digest, size, ...(platform && { platform }) }]
  })
  const [tag] = o.tag
  for (const file of o.file) {
    if (tag === undefined) throw new ExitError(1, `a descriptor of a file needs a --tag: ${file}`)
    entries.push(readDescriptor(file))
    sources.push(name(tag))
  }
  const single = found.length === 1 && o.file.length === 0 ? found[0]?.manifest : undefined
  const distinct = [...new Map(entries.map((entry) => [entry.digest, entry])).values()]
  return { name, sources, entries: distinct, single }
}

function readDescriptor(file: string): Entry {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new ExitError(
      1,
      `cannot read the descriptor ${file}: ${cause instanceof Error ? cause.message : ''}`,
    )
  }
  const { mediaType, digest, size } = (value ?? {}) as Partial<Entry>
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof size !== 'number')
    throw new ExitError(1, `${file} is no descriptor: mediaType, digest and size are needed`)
  return value as Entry
}

function indexOf(entries: readonly Entry[], annotations: Record<string, string>) {
  const some = Object.keys(annotations).length > 0
  const oci = some || entries.some(({ mediaType }) => mediaType.includes('.oci.'))
  const mediaType = oci ? ociIndex : dockerList
  const value = { schemaVersion: 2, mediaType, manifests: entries, ...(some && { annotations }) }
  return { mediaType, raw: Buffer.from(JSON.stringify(value, undefined, 2)).toString('base64') }
}

function splitAnnotation(text: string): [string, string] {
  const [, type, key = '', value = ''] = /^(?:([\w,[\]/-]+):)?([^=]+)=(.*)$/s.exec(text) ?? []
  if (key === '') throw new ExitError(1, `invalid annotation ${JSON.stringify(text)}, expected key=value`)
  if (type !== undefined && type !== 'index')
    throw new ExitError(
      1,
      `annotations of the kind ${type} are not supported: a list has those of its index alone`,
    )
  return [key, value]
}

function documentIn(manifest: RemoteManifest): { manifests?: Entry[] } {
  // The registry's JSON, checked by the daemon to be a manifest or a list of them.
  return JSON.parse(Buffer.from(manifest.raw, 'base64').toString()) as { manifests?: Entry[] }
}

function refuseBuilder(name: string): void {
  if (name !== '' && name !== 'default')
    throw new ExitError(1, `no builder ${JSON.stringify(name)} found: there is one builder, the daemon`)
}
