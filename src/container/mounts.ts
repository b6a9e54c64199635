import { mkdir, stat } from 'node:fs/promises'
import type { Images } from '../image/index.ts'
import { EngineError, hasCode, kindOf, messageOf } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import type { Volumes } from '../volume/index.ts'
import type { ContainerConfig, HostConfig } from '../wire/container.ts'
import type { Container } from './container.ts'
import { baseRequest, checkTarget, parseBind, parseMount, parseTmpfs } from './mount-requests.ts'
import type { IdMapRequest, MountRequest } from './mount-requests.ts'
import type { MountRecord } from './record.ts'

/** Numbers of a user on the host. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface MountContext {
  readonly config: ContainerConfig
  readonly hostConfig: HostConfig
  readonly volumes: Volumes
  readonly images: Images
  /** Finds the containers of `--volumes-from`. */
  readonly find: (ref: string) => Container
  /** Who asks, where that is known. */
  readonly caller?: Owner | undefined
  /** Names of the volumes that were made, for the caller's undo. */
  readonly made: string[]
  /** Until it is disposed nobody can remove the volumes. */
  readonly claims: DisposableStack
}

/**
 * Decides all mounts of a new container, from `--volumes-from`, `-v`, `--mount`, `--tmpfs` and the image's VOLUMEs, and makes the
 * volumes. Later flags cannot repeat a target.
 */
export async function resolveMounts(
  op: Op,
  o: MountContext,
): Promise<{ mounts: MountRecord[]; toPopulate: MountRecord[] }> {
  const { requests, inherited } = collect(o)
  const mounts: MountRecord[] = []
  const toPopulate: MountRecord[] = []
  for (const mount of inherited) {
    if (mount.volume !== undefined) {
      o.claims.use(o.volumes.claim(mount.volume))
      // A volume that went meanwhile is made again, as docker does for named ones.
      const missing = !o.volumes.list().some(({ name }) => name === mount.volume)
      const labels = mount.anonymous ? { 'com.docker.volume.anonymous': '' } : {}
      if (missing) o.made.push((await o.volumes.create(op, { name: mount.volume, labels })).name)
    }
    mounts.push(mount)
  }
  for (const request of requests) {
    const { noCopy, labels: _labels, driverOptions: _options, idMap, ...mount } = request
    switch (mount.type) {
      case 'bind': {
        await checkSource(mount)
        mounts.push({ ...mount, ...(await mapped(o, idMap, mount.source)) })
        break
      }
      case 'tmpfs':
        mounts.push(mount)
        break
      case 'image': {
        const { id, layers } = present(() => o.images.find(mount.source))
        mounts.push({ ...mount, image: { id, layers } })
        break
      }
      case 'volume': {
        const volume = await volumeOf(op, o, request)
        const record: MountRecord = {
          ...mount,
          source: volume.mountpoint,
          volume: volume.name,
          anonymous: mount.source === '',
          ...(await mapped(o, idMap, volume.mountpoint)),
        }
        mounts.push(record)
        if (!noCopy && mount.subpath === undefined) toPopulate.push(record)
      }
    }
  }
  mounts.sort((a, b) => (a.destination < b.destination ? -1 : 1))
  return { mounts, toPopulate }
}

async function volumeOf(op: Op, o: MountContext, { source, labels, driverOptions }: MountRequest) {
  const name = source === '' ? newId() : source
  o.claims.use(o.volumes.claim(name))
  const known = o.volumes.list().find((volume) => volume.name === name)
  if (known) return known
  const made = await o.volumes.create(op, {
    name,
    labels: source === '' ? { 'com.docker.volume.anonymous': '', ...labels } : labels,
    options: driverOptions,
  })
  o.made.push(name)
  return made
}

/** By user: the container's user is to write as the caller, or, where that is root or nobody knows, as the source's owner. */
async function mapped(
  o: MountContext,
  request: IdMapRequest | undefined,
  source: string,
): Promise<Pick<MountRecord, 'idMap'>> {
  if (!request) return {}
  if ('uids' in request) return { idMap: request }
  const { uid, gid } = o.caller && o.caller.uid !== 0 ? o.caller : await stat(source)
  return { idMap: { user: request.user, uid, gid } }
}

function collect(o: MountContext): { requests: MountRequest[]; inherited: MountRecord[] } {
  const { config, hostConfig } = o
  const requests = [
    ...(hostConfig.Binds ?? []).map(parseBind),
    ...(hostConfig.Mounts ?? []).map(parseMount),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([target, options]) => parseTmpfs(target, options)),
  ]
  const seen = new Set<string>()
  for (const { destination } of requests) {
    if (seen.has(destination)) throw new EngineError('invalid', `Duplicate mount point: ${destination}`)
    seen.add(destination)
  }
  // Docker: one's own win over another container's, a later container's over an earlier one's.
  const others = new Map((hostConfig.VolumesFrom ?? []).flatMap((text) => mountsFrom(o, text)))
  const inherited = [...others.values()].filter((mount) => !seen.has(mount.destination))
  for (const { destination } of inherited) seen.add(destination)
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = checkTarget(path)
    if (!seen.has(destination)) requests.push({ ...baseRequest(destination), type: 'volume', source: '' })
    seen.add(destination)
  }
  return { requests, inherited }
}

/** `container[:ro|rw|z|Z]`. What `--tmpfs` mounts is the container's own affair. */
function mountsFrom(o: MountContext, text: string): [destination: string, mount: MountRecord][] {
  const colon = text.indexOf(':')
  const ref = colon < 0 ? text : text.slice(0, colon)
  const mode = colon < 0 ? 'rw' : text.slice(colon + 1)
  if (ref === '') throw new EngineError('invalid', `volumes-from specification cannot be an empty string`)
  if (!['ro', 'rw', 'z', 'Z', 'ro,z', 'ro,Z', 'rw,z', 'rw,Z'].includes(mode))
    throw new EngineError('invalid', `invalid mode: ${mode}`)
  const { record, hostConfig } = present(() => o.find(ref))
  return record.mounts
    .filter((mount) => mount.type !== 'tmpfs' || hostConfig.Tmpfs?.[mount.destination] === undefined)
    .map((mount) => [
      mount.destination,
      { ...mount, readOnly: mount.readOnly || mode.startsWith('ro'), chown: false },
    ])
}

/** Docker: 400. A 404 says of a create that the container's own image is missing, and clients would pull that. */
function present<T>(find: () => T): T {
  try {
    return find()
  } catch (cause) {
    if (kindOf(cause) !== 'not-found') throw cause
    throw new EngineError('invalid', messageOf(cause), { cause })
  }
}

/** Docker: -v makes a missing source directory, --mount refuses it. */
export async function checkSource({
  source,
  createSource,
}: Pick<MountRecord, 'source' | 'createSource'>): Promise<void> {
  try {
    await stat(source)
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw cause
    if (createSource) await mkdir(source, { recursive: true, mode: 0o755 })
    else
      throw new EngineError(
        'invalid',
        `invalid mount config for type "bind": bind source path does not exist: ${source}`,
      )
  }
}
