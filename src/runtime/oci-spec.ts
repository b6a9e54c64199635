/** The parts of the OCI runtime specification (config.json) that the engine writes. Its own spelling. */
import type { OciSeccomp } from './seccomp.ts'

export interface OciMount {
  destination: string
  type: string
  source: string
  options: string[]
}

export interface OciUser {
  uid: number
  gid: number
  additionalGids?: number[]
  umask?: number
}

export interface OciCapabilities {
  bounding?: string[]
  effective?: string[]
  permitted?: string[]
  inheritable?: string[]
  ambient?: string[]
}

export interface OciProcess {
  terminal: boolean
  consoleSize?: { height: number; width: number }
  user: OciUser
  args: string[]
  env: string[]
  cwd: string
  capabilities: OciCapabilities
  rlimits?: { type: string; soft: number; hard: number }[]
  noNewPrivileges: boolean
  apparmorProfile?: string
  oomScoreAdj?: number
}

export interface OciDevice {
  path: string
  type: 'c' | 'b' | 'p'
  major: number
  minor: number
  fileMode?: number
  uid?: number
  gid?: number
}

export interface OciDeviceRule {
  allow: boolean
  type?: 'a' | 'b' | 'c'
  major?: number
  minor?: number
  access: string
}

export interface OciThrottle {
  major: number
  minor: number
  rate: number
}

/** Memory in bytes; CPU quota and period in microseconds. */
export interface OciResources {
  devices?: OciDeviceRule[]
  memory?: {
    limit?: number
    reservation?: number
    swap?: number
    swappiness?: number
    disableOOMKiller?: boolean
  }
  cpu?: {
    shares?: number
    quota?: number
    period?: number
    realtimeRuntime?: number
    realtimePeriod?: number
    cpus?: string
    mems?: string
  }
  pids?: { limit: number }
  blockIO?: {
    weight?: number
    weightDevice?: { major: number; minor: number; weight: number }[]
    throttleReadBpsDevice?: OciThrottle[]
    throttleWriteBpsDevice?: OciThrottle[]
    throttleReadIOPSDevice?: OciThrottle[]
    throttleWriteIOPSDevice?: OciThrottle[]
  }
}

export interface OciNamespace {
  type: 'mount' | 'network' | 'pid' | 'ipc' | 'uts' | 'cgroup' | 'user'
  path?: string
}

/** A profile that the user brought: ours are narrower (`OciSeccomp`). */
export interface OciCustomSeccomp {
  defaultAction: string
  defaultErrnoRet?: number
  architectures?: string[]
  flags?: string[]
  syscalls?: {
    names: string[]
    action: string
    errnoRet?: number
    args?: { index: number; value: number; valueTwo?: number; op: string }[]
  }[]
}

export interface OciHook {
  path: string
  args?: string[]
  env?: string[]
  /** Seconds. */
  timeout?: number
}

/** Programs of the host that the runtime runs at a moment of the container's life. */
export interface OciHooks {
  prestart?: OciHook[]
  createRuntime?: OciHook[]
  createContainer?: OciHook[]
  startContainer?: OciHook[]
  poststart?: OciHook[]
  poststop?: OciHook[]
}

export interface OciSpec {
  ociVersion: string
  process: OciProcess
  root: { path: string; readonly: boolean }
  hostname?: string
  domainname?: string
  mounts: OciMount[]
  annotations?: Record<string, string>
  hooks?: OciHooks
  linux: {
    namespaces: OciNamespace[]
    devices?: OciDevice[]
    cgroupsPath: string
    resources: OciResources
    rootfsPropagation?: string
    seccomp?: OciSeccomp | OciCustomSeccomp
    sysctl?: Record<string, string>
    maskedPaths?: string[]
    readonlyPaths?: string[]
  }
}
