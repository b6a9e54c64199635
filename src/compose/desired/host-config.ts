/** The part of a create body that is about the host. */
import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { HostConfig, RestartPolicy } from '../../wire/container.ts'
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'
import { limits } from './limits.ts'
import { containerVolumes, type MountOptions } from './mounts.ts'
import { portBindings } from './port-bindings.ts'

interface HostOptions extends MountOptions {
  readonly project: Project
  readonly name: string
  readonly links: readonly string[]
  readonly networkMode: string
  readonly autoRemove: boolean
}

export function hostConfig(service: Service, o: HostOptions): HostConfig {
  const { options: securityOptions, unconfined } = security(service, o.project)
  const { binds, mounts } = containerVolumes(service, o)
  return {
    Binds: listed(binds),
    ContainerIDFile: '',
    LogConfig: {
      Type: service.logging?.driver ?? '',
      Config:
        service.logging && service.logging.options.size > 0
          ? Object.fromEntries(service.logging.options)
          : null,
    },
    NetworkMode: o.networkMode,
    PortBindings: portBindings(service),
    RestartPolicy: restartPolicy(service),
    AutoRemove: o.autoRemove,
    VolumeDriver: '',
    VolumesFrom: listed(service.volumes_from),
    ConsoleSize: [0, 0],
    ...(service.annotations.size > 0 && { Annotations: Object.fromEntries(service.annotations) }),
    CapAdd: listed(service.cap_add),
    CapDrop: listed(service.cap_drop),
    CgroupnsMode: service.cgroup,
    Dns: [...service.dns],
    DnsOptions: [...service.dns_opt],
    DnsSearch: [...service.dns_search],
    ExtraHosts: Array.from(service.extra_hosts).flatMap(([host, ips]) => ips.map((ip) => `${host}:${ip}`)),
    GroupAdd: listed(service.group_add),
    IpcMode: service.ipc,
    Cgroup: '',
    Links: listed(o.links),
    OomScoreAdj: service.oom_score_adj,
    PidMode: service.pid,
    Privileged: service.privileged,
    PublishAllPorts: false,
    ReadonlyRootfs: service.read_only,
    SecurityOpt: listed(securityOptions),
    ...(service.storage_opt.size > 0 && { StorageOpt: Object.fromEntries(service.storage_opt) }),
    ...(service.tmpfs.length > 0 && { Tmpfs: tmpfs(service) }),
    UTSMode: service.uts,
    UsernsMode: service.userns_mode,
    ShmSize: service.shm_size,
    ...(service.sysctls.size > 0 && { Sysctls: Object.fromEntries(service.sysctls) }),
    ...(service.runtime !== '' && { Runtime: service.runtime }),
    Isolation: service.isolation,
    ...limits(service),
    ...(mounts.length > 0 && { Mounts: mounts }),
    MaskedPaths: unconfined ? [] : null,
    ReadonlyPaths: unconfined ? [] : null,
    ...(service.init !== undefined && { Init: service.init }),
  }
}

function listed(texts: readonly string[]): string[] | null {
  return texts.length > 0 ? [...texts] : null
}

function tmpfs(service: Service): Record<string, string> {
  return Object.fromEntries(
    service.tmpfs.map((text) => {
      const colon = text.indexOf(':')
      return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
    }),
  )
}

const conditions: Readonly<Record<string, string>> = { none: 'no', any: 'always' }

/** `deploy.restart_policy` wins over `restart`. */
export function restartPolicy(service: Service): RestartPolicy {
  const deployed = service.deploy?.restart_policy
  const [name = '', attempts = '0'] = service.restart.split(':')
  const condition = deployed ? deployed.condition : name
  return {
    // What the specification allows is what the engine knows, or is translated.
    Name: (conditions[condition] ?? condition) as Exclude<RestartPolicy['Name'], undefined>,
    MaximumRetryCount: deployed ? (deployed.max_attempts ?? 0) : Number(attempts),
  }
}

/** A profile of seccomp goes over as its text; `systempaths=unconfined` is a matter of paths. */
function security(service: Service, project: Project): { options: string[]; unconfined: boolean } {
  const all = service.security_opt.map((text) => {
    const [key = '', ...rest] = text.includes('=') ? text.split('=') : text.split(':')
    const value = rest.join(text.includes('=') ? '=' : ':')
    if (rest.length === 0 && key !== 'no-new-privileges')
      throw new EngineError('invalid', `invalid security-opt: ${JSON.stringify(text)}`)
    if (key !== 'seccomp' || value === 'unconfined' || value === 'builtin') return text
    return `seccomp=${seccompProfile(value, project)}`
  })
  const unconfined = all.includes('systempaths=unconfined')
  return { options: all.filter((text) => text !== 'systempaths=unconfined'), unconfined }
}

function seccompProfile(path: string, { folder }: Project): string {
  const file = isAbsolute(path) ? path : join(folder, path)
  try {
    return JSON.stringify(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new EngineError('invalid', `opening seccomp profile (${file}) failed: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
