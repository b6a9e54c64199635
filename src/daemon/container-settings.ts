import { isAbsolute } from 'node:path'
import type { Config } from '../engine/index.ts'
import { EngineError } from '../lib/errors.ts'
import { checkLogConfig, defaultCdiDirectories } from '../runtime/index.ts'
import type { Settings } from './settings.ts'

type ContainerDefaults = Pick<
  Config,
  | 'init'
  | 'initPath'
  | 'seccompProfile'
  | 'cdiDirectories'
  | 'defaultIpcMode'
  | 'defaultCgroupnsMode'
  | 'logDriver'
  | 'logOptions'
  | 'noNewPrivileges'
  | 'defaultShmSize'
  | 'defaultUlimits'
>

const invalid = (message: string) => new EngineError('invalid', message)

/** What containers get that do not say it themselves. Throws kind `invalid`. */
export function containerDefaults(s: Settings): ContainerDefaults {
  return {
    init: s.init ?? false,
    initPath: file('init-path', s['init-path'] ?? ''),
    seccompProfile: seccompProfile(s['seccomp-profile'] ?? ''),
    cdiDirectories: s['cdi-spec-dirs'] ?? defaultCdiDirectories,
    ...namespaceDefaults(s),
    ...logDefaults(s),
    noNewPrivileges: s['no-new-privileges'] ?? false,
    defaultShmSize: s['default-shm-size'] ?? 64 * 1024 * 1024,
    defaultUlimits: Object.entries(s['default-ulimits'] ?? {}).map(([Name, limit]) => ({ ...limit, Name })),
  }
}

function file(key: string, path: string): string {
  if (path !== '' && !isAbsolute(path)) throw invalid(`${key} ${JSON.stringify(path)}: want an absolute path`)
  return path
}

/** A file is read when the daemon starts. */
function seccompProfile(text: string): string {
  return text === 'builtin' || text === 'unconfined' ? text : file('seccomp-profile', text)
}

function namespaceDefaults(s: Settings): Pick<Config, 'defaultIpcMode' | 'defaultCgroupnsMode'> {
  const defaultIpcMode = s['default-ipc-mode'] ?? 'private'
  if (defaultIpcMode !== 'private' && defaultIpcMode !== 'shareable')
    throw invalid(`default-ipc-mode ${JSON.stringify(defaultIpcMode)}: want private or shareable`)
  const defaultCgroupnsMode = s['default-cgroupns-mode'] ?? 'private'
  if (defaultCgroupnsMode !== 'private' && defaultCgroupnsMode !== 'host')
    throw invalid(`default-cgroupns-mode ${JSON.stringify(defaultCgroupnsMode)}: want private or host`)
  return { defaultIpcMode, defaultCgroupnsMode }
}

function logDefaults(s: Settings): Pick<Config, 'logDriver' | 'logOptions'> {
  const logDriver = s['log-driver'] ?? 'local'
  const logOptions = s['log-opts'] ?? {}
  checkLogConfig(logDriver, logOptions)
  return { logDriver, logOptions }
}
