/** manifest inspect, create, annotate, push, rm. */
import { canonical, familiar, parseReference, repositoryOf, withDefaultTag } from '../../lib/reference.ts'
import type { RemoteManifest } from '../../wire/registry.ts'
import { command, ExitError, type Context } from '../command.ts'
import { Credentials } from '../credentials.ts'
import { bool, list, string } from '../flags.ts'
import { ManifestLists, type ListedManifest, type ManifestList } from '../manifest-lists.ts'

const listType = 'application/vnd.docker.distribution.manifest.list.v2+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const insecure = () => bool('Allow communication with an insecure registry')

const listsOf = (context: Context) => new ManifestLists(context.config.directory)
export const credentialsOf = (context: Context) =>
  Credentials.open(context.config.directory).allOrWarn((text) => context.err(text))
const nameOf = (text: string) => canonical(withDefaultTag(parseReference(text)))

export const inspect = command({
  usage: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
  arguments: [1, 2],
  flags: {
    insecure: insecure(),
    verbose: bool('Output additional info including layers and platform', { short: 'v' }),
  },
  async run(context, flags, [first = '', second]) {
    if (second !== undefined) {
      const one = listed(context, first).manifests.find(({ ref }) => ref === nameOf(second))
      if (!one) throw new ExitError(1, `No such manifest: ${second}`)
      context.out(`${JSON.stringify(one, undefined, '\t')}\n`)
      return
    }
    // Docker: a list that is being made here comes before what a registry has under its name.
    const local = listsOf(context).get(nameOf(first))
    if (local) {
      context.out(documentOf(local.manifests).toString())
      return
    }
    const credentials = await credentialsOf(context)
    const look = (ref: string) => context.client.registry.manifest(ref, credentials, flags)
    const found = await look(first)
    if (!flags.verbose) {
      context.out(`${JSON.stringify(decoded(found), undefined, '\t')}\n`)
      return
    }
    const { manifests } = decoded(found) as { manifests?: { digest: string; platform?: object }[] }
    const base = repositoryOf(parseReference(first))
    const verbose =
      manifests === undefined
        ? describe(nameOf(first), found)
        : await Promise.all(
            manifests.map(async ({ digest, platform }) => {
              const ref = `${base}@${digest}`
              return describe(ref, await look(ref), platform)
            }),
          )
    context.out(`${JSON.stringify(verbose, undefined, '\t')}\n`)
  },
})

function decoded(manifest: RemoteManifest): object {
  // The registry's JSON, checked by the daemon to be an object.
  return JSON.parse(Buffer.from(manifest.raw, 'base64').toString()) as object
}

function describe(
  ref: string,
  manifest: RemoteManifest,
  platform: object | undefined = manifest.platform,
): object {
  const { mediaType, digest, size, raw } = manifest
  const key = mediaType.includes('.oci.') ? 'OCIManifest' : 'SchemaV2Manifest'
  return {
    Ref: familiar(parseReference(ref)),
    Descriptor: { mediaType, digest, size, ...(platform && { platform }) },
    Raw: raw,
    [key]: decoded(manifest),
  }
}

export const create = command({
  usage: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
  arguments: [2, Infinity],
  flags: {
    amend: bool('Amend an existing manifest list', { short: 'a' }),
    insecure: insecure(),
  },
  async run(context, flags, [target = '', ...names]) {
    const name = nameOf(target)
    const lists = listsOf(context)
    const before = lists.get(name)
    if (before && !flags.amend)
      throw new ExitError(1, 'refusing to amend an existing manifest list with no --amend flag')
    const credentials = await credentialsOf(context)
    const added = await Promise.all(
      names.map(async (each): Promise<ListedManifest> => {
        const ref = nameOf(each)
        const found = await context.client.registry.manifest(ref, credentials, flags)
        const { mediaType, digest, size, platform } = found
        if (!platform)
          throw new ExitError(1, `cannot use ${each} in a manifest list: it is not the image of one platform`)
        return { ref, mediaType, digest, size, platform }
      }),
    )
    const kept = (before?.manifests ?? []).filter(({ ref }) => added.every((one) => one.ref !== ref))
    await lists.put({ name, manifests: [...kept, ...added] })
    context.out(`Created manifest list ${name}\n`)
  },
})

export const annotate = command({
  usage: '[OPTIONS] MANIFEST_LIST MANIFEST',
  arguments: [2, 2],
  flags: {
    arch: string('Set architecture'),
    os: string('Set operating system'),
    'os-features': list('Set operating system feature', { kind: 'strings' }),
    'os-version': string('Set operating system version'),
    variant: string('Set architecture variant'),
  },
  async run(context, flags, [target = '', each = '']) {
    const found = listed(context, target)
    const ref = nameOf(each)
    if (found.manifests.every((one) => one.ref !== ref))
      throw new ExitError(1, `manifest for image ${each} does not exist in ${target}`)
    const features = flags['os-features'].flatMap((text) => text.split(','))
    const manifests = found.manifests.map((one) => {
      if (one.ref !== ref) return one
      const platform = {
        ...one.platform,
        ...(flags.arch !== '' && { architecture: flags.arch }),
        ...(flags.os !== '' && { os: flags.os }),
        ...(flags.variant !== '' && { variant: flags.variant }),
        ...(flags['os-version'] !== '' && { 'os.version': flags['os-version'] }),
        ...(features.length > 0 && { 'os.features': features }),
      }
      return { ...one, platform }
    })
    await listsOf(context).put({ ...found, manifests })
  },
})

export const push = command({
  usage: '[OPTIONS] MANIFEST_LIST',
  arguments: [1, 1],
  flags: {
    insecure: insecure(),
    purge: bool('Remove the local manifest list after push', { short: 'p' }),
  },
  async run(context, flags, [target = '']) {
    const { name, manifests } = listed(context, target)
    const repository = repositoryOf(parseReference(name))
    const { digest } = await context.client.registry.putManifest(
      name,
      {
        mediaType: typeOf(manifests),
        raw: documentOf(manifests).toString('base64'),
        sources: manifests.map(({ ref }) => ref),
      },
      { credentials: await credentialsOf(context), insecure: flags.insecure },
    )
    for (const one of manifests)
      context.out(`Pushed ref ${repository}@${one.digest} with digest: ${one.digest}\n`)
    context.out(`${digest}\n`)
    if (flags.purge) listsOf(context).remove(name)
  },
})

export const rm = command({
  usage: 'MANIFEST_LIST [MANIFEST_LIST...]',
  arguments: [1, Infinity],
  flags: {},
  run(context, _flags, names) {
    let code = 0
    for (const name of names) {
      if (listsOf(context).get(nameOf(name))) listsOf(context).remove(nameOf(name))
      else {
        context.err(`No such manifest: ${name}\n`)
        code = 1
      }
    }
    return Promise.resolve(code)
  },
})

function listed(context: Context, name: string): ManifestList {
  const found = listsOf(context).get(nameOf(name))
  if (!found) throw new ExitError(1, `No such manifest: ${name}`)
  return found
}

/** Docker's list knows docker's manifests alone. */
function typeOf(manifests: readonly Pick<ListedManifest, 'mediaType'>[]): string {
  return manifests.some(({ mediaType }) => mediaType.includes('.oci.')) ? indexType : listType
}

export function documentOf(manifests: readonly Omit<ListedManifest, 'ref'>[]): Buffer {
  const entries = manifests.map(({ mediaType, size, digest, platform }) => ({
    mediaType,
    size,
    digest,
    platform,
  }))
  const value = { schemaVersion: 2, mediaType: typeOf(manifests), manifests: entries }
  return Buffer.from(`${JSON.stringify(value, undefined, 3)}\n`)
}
