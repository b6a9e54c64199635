import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { canonical, familiar, withDefaultTag, type Reference } from '../lib/reference.ts'
import { noCredentials, RegistryError, type FetchedManifest, type Repository } from '../registry/index.ts'
import type { DiffId } from '../snapshot/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { AuthConfig, Platform } from '../wire/registry.ts'
import { bringImage, bringRest, type PullHost, type Pulling } from './bring-image.ts'
import { chooseImage, everyImage } from './choose-manifest.ts'
import type { Image } from './config.ts'
import { decodeManifest } from './registry-manifest.ts'

export interface PullOptions {
  readonly auth: AuthConfig | undefined
  /** Absent: the host's own. `all`: every image of the index, with what else it leads to. */
  readonly platform?: Platform | 'all' | undefined
  readonly report: (message: ProgressMessage) => void
}

export interface Pulled {
  /** The one for this host, or for the platform that was asked for. */
  readonly image: Image
  /** What the reference leads to at the registry: an index, or the image's own manifest. */
  readonly digest: Digest
  /** False: it was here already, under this name. */
  readonly newer: boolean
}

/** Pulls one tag or digest. Failed or cancelled, nothing of it is left. */
export async function pullImage(
  op: Op,
  ref: Reference,
  o: PullOptions & { host: PullHost },
): Promise<Pulled> {
  const reference = withDefaultTag(ref)
  const { host, report } = o
  const repository = await host.registries.repository(op, { ...reference, auth: o.auth, access: 'pull' })
  const wanted = reference.digest ?? reference.tag ?? 'latest'
  const top = await manifestOf(op, { repository, wanted, reference })
  report({ status: `Pulling from ${reference.path}`, id: wanted })
  const name = familiar(reference)
  const index = o.platform === 'all' ? decodeManifest(top, name) : undefined
  const chosen =
    index?.kind === 'index'
      ? await everyImage(op, { index, repository, report, name })
      : [await chooseImage(op, { top, name, repository, platform: platformIn(o) })]
  const before = host.images.stateOf(canonical(reference))
  using lease = host.leases.open()
  const made = { layers: new Set<DiffId>(), blobs: new Set<Digest>() }
  try {
    const pulling: Pulling = { ...o, platform: platformIn(o), repository, reference, lease, made }
    let image: Image | undefined
    for (const each of chosen) image = await bringImage(op, { top, ...each }, pulling)
    if (!image) throw new EngineError('not-found', `${name}: its index has no image for linux`)
    if (index?.kind === 'index') await bringRest(op, { index, top }, pulling)
    if (o.platform === 'all' && reference.digest === undefined) image = host.images.find(canonical(reference))
    const newer = before !== host.images.stateOf(canonical(reference))
    report({ status: `Digest: ${top.digest}` })
    report({
      status: newer
        ? `Status: Downloaded newer image for ${name}`
        : `Status: Image is up to date for ${name}`,
    })
    return { image, digest: top.digest, newer }
  } finally {
    lease[Symbol.dispose]()
    await host.images.dropUnused(op, made)
  }
}

const platformIn = (o: PullOptions): Platform | undefined => (o.platform === 'all' ? undefined : o.platform)

async function manifestOf(
  op: Op,
  o: { repository: Repository; wanted: string; reference: Reference },
): Promise<FetchedManifest> {
  const { reference } = o
  try {
    return await o.repository.manifest(op, o.wanted)
  } catch (cause) {
    throw accessError(cause, reference)
  }
}

/** Docker's texts: a registry that hides what exists says 401, 403 or 404 for the same thing. */
export function accessError(cause: unknown, reference: Reference): unknown {
  if (!(cause instanceof RegistryError) || cause.code === noCredentials) return cause
  const name = familiar({ domain: reference.domain, path: reference.path })
  if (cause.kind === 'unauthorized' || cause.kind === 'forbidden' || cause.code === 'NAME_UNKNOWN') {
    const why = `pull access denied for ${name}, repository does not exist or may require 'docker login': ${cause.message}`
    return new EngineError('not-found', why, { cause })
  }
  if (cause.kind === 'not-found')
    return new EngineError('not-found', `manifest for ${familiar(reference)} not found: ${cause.message}`, {
      cause,
    })
  return cause
}
