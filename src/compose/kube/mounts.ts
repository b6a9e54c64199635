/** What is mounted in a container, and the volumes of its pod that it comes from. */
import type { IVolume, IVolumeMount } from 'kubernetes-models/v1'
import type { FileObject } from '../model/project-model.ts'
import type { Service } from '../model/project-model.ts'
import { compact } from './compact.ts'
import { configMapOf } from './host-files.ts'
import { kubeName } from './kube-name.ts'
import { claimOf } from './claims.ts'
import type { Translation } from './translation.ts'

export interface Mounts {
  readonly volumes: IVolume[]
  readonly mounts: IVolumeMount[]
}

type Source = Omit<IVolume, 'name'>

/** Gives each volume of the pod a name of its own. */
class Collected implements Mounts {
  readonly volumes: IVolume[] = []
  readonly mounts: IVolumeMount[] = []

  add(name: string, source: Source, mount: Omit<IVolumeMount, 'name'>): void {
    const own = this.#free(kubeName(name), JSON.stringify(source))
    if (!this.volumes.some((each) => each.name === own)) this.volumes.push({ name: own, ...source })
    this.mounts.push({ name: own, ...mount })
  }

  /** One name for one source. */
  #free(name: string, source: string): string {
    for (let number = 1; ; number++) {
      const own = number === 1 ? name : `${name.slice(0, 59)}-${number}`
      const there = this.volumes.find((each) => each.name === own)
      if (!there) return own
      const { name: _, ...rest } = there
      if (JSON.stringify(rest) === source) return own
    }
  }
}

export function mountsOf(t: Translation, name: string, service: Service): Mounts {
  const all = new Collected()
  for (const [index, mount] of service.volumes.entries()) {
    const path = ['services', name, 'volumes', String(index)]
    const found = sourceOf(t, { name, mount, path })
    if (!found) continue
    const at = compact<Omit<IVolumeMount, 'name'>>({
      mountPath: mount.target,
      readOnly: mount.read_only || undefined,
      subPath: found.subPath ?? (mount.volume?.subpath || undefined),
    })
    all.add(found.name, found.source, at)
  }
  for (const text of service.tmpfs) {
    const [target = '', options = ''] = text.split(':')
    const size = /(?:^|,)size=(\d+[kmg]?)/i.exec(options)?.[1]
    all.add(`tmpfs-${target}`, memory(size && quantity(size)), { mountPath: target })
  }
  if (service.shm_size > 0) all.add('shm', memory(String(service.shm_size)), { mountPath: '/dev/shm' })
  addFiles(t, { name, kind: 'secrets', service, all })
  addFiles(t, { name, kind: 'configs', service, all })
  return all
}

function memory(sizeLimit: string | undefined): Source {
  return { emptyDir: { medium: 'Memory', ...(sizeLimit !== undefined && { sizeLimit }) } }
}

/** `64m` as `64Mi`. */
function quantity(text: string): string {
  return text.replace(/[kmg]$/i, (unit) => `${unit.toUpperCase()}i`)
}

interface OneMount {
  readonly name: string
  readonly mount: Service['volumes'][number]
  readonly path: readonly string[]
}

interface Found {
  readonly name: string
  readonly source: Source
  readonly subPath?: string | undefined
}

function sourceOf(t: Translation, { name, mount, path }: OneMount): Found | undefined {
  const { type, source, target, read_only: readOnly } = mount
  switch (type) {
    case 'volume':
      if (source === '') return { name: `empty-${target}`, source: { emptyDir: {} } }
      return {
        name: source,
        source: { persistentVolumeClaim: { claimName: claimOf(t, source), ...(readOnly && { readOnly }) } },
      }
    case 'tmpfs':
      return {
        name: `tmpfs-${target}`,
        source: memory(mount.tmpfs?.size ? String(mount.tmpfs.size) : undefined),
      }
    case 'bind':
      return bindOf(t, { name, mount, path })
    default:
      t.lost(path, `mounts of type ${type} have no counterpart`)
      return undefined
  }
}

function bindOf(t: Translation, { name, mount, path }: OneMount): Found | undefined {
  const { folder } = t.project
  const inside = mount.source === folder || mount.source.startsWith(`${folder}/`)
  if (!inside) {
    t.hint(path, `${mount.source} is taken from the node that the pod runs on`)
    return { name: `host-${mount.source}`, source: { hostPath: { path: mount.source } } }
  }
  const files = configMapOf(t, { service: name, source: mount.source, path })
  if (!files) return undefined
  if (!mount.read_only) t.hint(path, 'the files are a ConfigMap: they can only be read')
  return { name: files.name, source: { configMap: { name: files.name } }, subPath: files.key }
}

interface FilesOf {
  readonly name: string
  readonly kind: 'secrets' | 'configs'
  readonly service: Service
  readonly all: Collected
}

/** Files at a place each: one that is mounted with `subPath` leaves what else is in the folder. */
function addFiles(t: Translation, { name, kind, service, all }: FilesOf): void {
  for (const [index, reference] of service[kind].entries()) {
    const { source, target, uid, gid, mode } = reference
    const object = t.project[kind].get(source)
    if (!object) continue
    const path = ['services', name, kind, String(index)]
    if (![uid, gid].every((id) => id === '' || id === '0'))
      t.lost(path, 'the owner of a single file cannot be chosen')
    const item = { key: source, path: source, ...(mode !== undefined && { mode }) }
    const own = objectName(source, object)
    const items = [item]
    const from: Source =
      kind === 'secrets' ? { secret: { secretName: own, items } } : { configMap: { name: own, items } }
    all.add(`${kind.slice(0, -1)}-${source}`, from, {
      mountPath: placeOf(kind, target === '' ? source : target),
      subPath: source,
      readOnly: true,
    })
  }
}

function placeOf(kind: 'secrets' | 'configs', target: string): string {
  if (target.startsWith('/')) return target
  return kind === 'secrets' ? `/run/secrets/${target}` : `/${target}`
}

/** What is external has a name of its own. */
export function objectName(key: string, { external, name }: FileObject): string {
  return kubeName(external && name !== '' ? name : key)
}
