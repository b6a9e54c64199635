import { readFile } from 'node:fs/promises'
import os from 'node:os'
import { isUp } from '../container/index.ts'
import * as cgroup from '../host/cgroup.ts'
import { logDrivers } from '../runtime/index.ts'
import type { RegistrySettings } from '../registry/index.ts'
import { readSysctl } from '../host/sysctl.ts'
import type { SystemInfo, VersionResponse } from '../wire/system.ts'
import { apiVersion, minApiVersion } from '../wire/version.ts'
import type { Engine } from './engine.ts'
import { productVersion } from './version.ts'

/** What `docker version` shows of the server: this engine, its runtime and its monitor. */
export function versionOf(engine: Engine): VersionResponse {
  const { runtime } = engine
  const arch = goArch()
  return {
    Platform: { Name: 'Gantry' },
    Components: [
      {
        Name: 'Engine',
        Version: productVersion,
        Details: {
          ApiVersion: apiVersion,
          MinAPIVersion: minApiVersion,
          Os: 'linux',
          Arch: arch,
          KernelVersion: os.release(),
          NodeVersion: process.version,
        },
      },
      { Name: runtime.name, Version: runtime.version, Details: { Path: runtime.path } },
      { Name: 'conmon', Version: runtime.conmon.version, Details: { Path: runtime.conmon.path } },
    ],
    Version: productVersion,
    ApiVersion: apiVersion,
    MinAPIVersion: minApiVersion,
    // Gantry is not written in Go and carries no commit: empty is the truth.
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: arch,
    KernelVersion: os.release(),
    BuildTime: '',
    ...(engine.config.experimental && { Experimental: true }),
  }
}

/** What `docker info` shows. Everything is read at the time of the call. */
export async function infoOf(engine: Engine): Promise<SystemInfo> {
  const { config, runtime } = engine
  const containers = engine.containers.list()
  const count = (status: string) => containers.filter((c) => c.status === status).length
  const release = await osRelease()
  const controllers = new Set(cgroup.controllers())
  const forwarding = readSysctl('net/ipv4/ip_forward') === '1'
  const cgroupVersion = cgroup.version()
  return {
    ID: engine.id,
    Containers: containers.length,
    ContainersRunning: count('running') + count('restarting'),
    ContainersPaused: count('paused'),
    ContainersStopped: containers.filter((c) => !isUp(c.state)).length,
    Images: engine.images.list().length,
    Driver: 'overlayfs',
    DriverStatus: [
      ['Backing Filesystem', await filesystemOf(config.dataRoot)],
      ['Layers keyed by', 'diffID'],
      ['userxattr', 'false'],
    ],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: null,
      Log: [...logDrivers],
    },
    MemoryLimit: controllers.has('memory'),
    SwapLimit: cgroup.hasSwapLimit(),
    CpuCfsPeriod: controllers.has('cpu'),
    CpuCfsQuota: controllers.has('cpu'),
    CPUShares: controllers.has('cpu'),
    CPUSet: controllers.has('cpuset'),
    PidsLimit: controllers.has('pids'),
    IPv4Forwarding: forwarding,
    Debug: config.debug,
    NFd: 0,
    OomKillDisable: cgroupVersion !== 'v2' && controllers.has('memory'),
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: config.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: cgroupVersion === 'v2' ? '2' : '1',
    NEventsListener: engine.events.listeners,
    KernelVersion: os.release(),
    OperatingSystem: release['PRETTY_NAME'] ?? 'Linux',
    OSVersion: release['VERSION_ID'] ?? '',
    OSType: 'linux',
    Architecture: os.machine(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(config.registries),
    NCPU: os.availableParallelism(),
    MemTotal: os.totalmem(),
    DockerRootDir: config.dataRoot,
    HttpProxy: withoutUser(config.registries.proxies.http),
    HttpsProxy: withoutUser(config.registries.proxies.https),
    NoProxy: config.registries.proxies.no,
    Name: os.hostname(),
    Labels: [...config.labels],
    ExperimentalBuild: config.experimental,
    GenericResources: null,
    ServerVersion: productVersion,
    Runtimes: Object.fromEntries([...runtime.known].map(([name, path]) => [name, { path }])),
    DefaultRuntime: runtime.name,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: config.liveRestore,
    Isolation: '',
    InitBinary: config.initPath || 'tini',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: [
      `name=seccomp,profile=${config.seccompProfile || 'builtin'}`,
      ...(cgroupVersion === 'v2' ? ['name=cgroupns'] : []),
    ],
    CDISpecDirs: [...config.cdiDirectories],
    Warnings: [
      ...(forwarding ? [] : ['WARNING: IPv4 forwarding is disabled']),
      ...(controllers.has('memory') ? [] : ['WARNING: No memory limit support']),
      ...(cgroup.hasSwapLimit() ? [] : ['WARNING: No swap limit support']),
    ],
  }
}

/** The architecture in Go's and OCI's spelling. */
export function goArch(): string {
  return { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch
}

async function osRelease(): Promise<Record<string, string>> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const fields: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const match = /^(\w+)=(?:"([^"]*)"|(.*))$/.exec(line)
    if (match?.[1]) fields[match[1]] = match[2] ?? match[3] ?? ''
  }
  return fields
}

/** The type of the file system that holds a path, by the longest mount point above it. */
async function filesystemOf(path: string): Promise<string> {
  const table = await readFile('/proc/self/mounts', 'utf8')
  let best = { point: '', type: 'unknown' }
  for (const line of table.split('\n')) {
    const [, point = '', type = ''] = line.split(' ')
    const holds = point === '/' || path === point || path.startsWith(`${point}/`)
    if (point !== '' && holds && point.length >= best.point.length) best = { point, type }
  }
  return best.type
}

/** Docker's shape: the index with its mirrors, and each insecure registry. Loopback always is insecure. */
function registryConfig({ mirrors, insecure }: RegistrySettings): SystemInfo['RegistryConfig'] {
  const own = mirrors.map((mirror) => `${mirror}/`)
  const hosts = insecure.filter((entry) => !entry.includes('/'))
  return {
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: own, Secure: true, Official: true },
      ...Object.fromEntries(
        hosts.map((host) => [host, { Name: host, Mirrors: [], Secure: false, Official: false }]),
      ),
    },
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...insecure.filter((entry) => entry.includes('/'))],
    Mirrors: own,
  }
}

/** Docker: credentials of a proxy are not shown. */
const withoutUser = (proxy: string): string => proxy.replace(/\/\/[^/@]*@/, '//xxxxx:xxxxx@')
