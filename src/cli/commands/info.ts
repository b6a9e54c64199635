import { humanBinarySize } from '../../lib/units.ts'
import type { SystemInfo } from '../../wire/system.ts'
import { command, ExitError } from '../command.ts'
import { inspectFormat } from '../common-flags.ts'
import { describeError } from '../errors.ts'
import { renderOne } from '../format.ts'
import { clientVersion } from './version.ts'

export const info = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { format: inspectFormat() },
  async run(context, flags) {
    const client = await clientVersion()
    let server: SystemInfo | undefined
    let failure: unknown
    try {
      server = await context.client.system.info()
    } catch (error) {
      failure = error
    }
    const data = {
      ...server,
      ...(failure !== undefined && { ServerErrors: [describeError(failure)] }),
      ClientInfo: { Debug: false, ...client, Plugins: [], Warnings: null },
    }
    if (flags.format === 'json') context.out(`${JSON.stringify(data)}\n`)
    else if (flags.format !== '') {
      const { goView } = await import('../go-view.ts')
      context.out(await renderOne(flags.format, goView(data), { typeName: 'system.dockerInfo' }))
    } else {
      context.out(
        `Client: Gantry\n Version:    ${client.Version}\n Context:    default\n Debug Mode: false\n\nServer:\n${server ? describe(server) : ''}`,
      )
      for (const warning of server?.Warnings ?? []) context.err(`${warning}\n`)
    }
    // Docker: a template that needs nothing of the server is no failure without one.
    if (failure !== undefined) throw new ExitError(1, describeError(failure))
  },
})

function describe(s: SystemInfo): string {
  const lines: string[] = []
  const add = (name: string, value: string | number | boolean | undefined) => {
    if (value !== undefined && value !== '') lines.push(` ${name}: ${value}`)
  }
  const block = (name: string, items: readonly string[]) => {
    if (items.length > 0) lines.push(` ${name}:`, ...items.map((item) => `  ${item}`))
  }
  add('Containers', s.Containers)
  lines.push(
    `  Running: ${s.ContainersRunning}`,
    `  Paused: ${s.ContainersPaused}`,
    `  Stopped: ${s.ContainersStopped}`,
  )
  add('Images', s.Images)
  add('Server Version', s.ServerVersion)
  add('Storage Driver', s.Driver)
  lines.push(...(s.DriverStatus ?? []).map(([key, value]) => `  ${key}: ${value}`))
  add('Logging Driver', s.LoggingDriver)
  add('Cgroup Driver', s.CgroupDriver)
  add('Cgroup Version', s.CgroupVersion)
  block('Plugins', [
    `Volume: ${(s.Plugins?.Volume ?? []).join(' ')}`,
    `Network: ${(s.Plugins?.Network ?? []).join(' ')}`,
    `Log: ${(s.Plugins?.Log ?? []).join(' ')}`,
  ])
  add('Swarm', s.Swarm?.LocalNodeState)
  add('Runtimes', Object.keys(s.Runtimes ?? {}).join(' '))
  add('Default Runtime', s.DefaultRuntime)
  add('Init Binary', s.InitBinary)
  add('runc version', s.RuncCommit?.ID)
  add('init version', s.InitCommit?.ID)
  // Docker: `name=seccomp,profile=builtin` is shown as the name with its settings below.
  const security = (s.SecurityOptions ?? []).flatMap((option) => {
    const pairs = option.split(',').map((pair) => pair.split('='))
    const name = pairs.find(([key]) => key === 'name')?.[1] ?? option
    return [
      name,
      ...pairs
        .filter(([key]) => key !== 'name')
        .map(([key, value]) => ` ${key === 'profile' ? 'Profile' : key}: ${value}`),
    ]
  })
  block('Security Options', security)
  add('Kernel Version', s.KernelVersion)
  add('Operating System', s.OperatingSystem)
  add('OSType', s.OSType)
  add('Architecture', s.Architecture)
  add('CPUs', s.NCPU)
  add('Total Memory', humanBinarySize(s.MemTotal))
  add('Name', s.Name)
  add('ID', s.ID)
  add('Docker Root Dir', s.DockerRootDir)
  add('Debug Mode', s.Debug)
  if (s.Debug) {
    lines.push(
      `  File Descriptors: ${s.NFd}`,
      `  System Time: ${s.SystemTime}`,
      `  EventsListeners: ${s.NEventsListener}`,
    )
  }
  add('HTTP Proxy', s.HttpProxy)
  add('HTTPS Proxy', s.HttpsProxy)
  add('No Proxy', s.NoProxy)
  block('Labels', s.Labels ?? [])
  add('Experimental', s.ExperimentalBuild)
  const registries = s.RegistryConfig
  const insecure = Object.values(registries?.IndexConfigs ?? {}).filter(({ Secure }) => !Secure)
  block('Insecure Registries', [
    ...insecure.map(({ Name }) => Name),
    ...(registries?.InsecureRegistryCIDRs ?? []),
  ])
  block('Registry Mirrors', s.RegistryConfig?.Mirrors ?? [])
  add('Live Restore Enabled', s.LiveRestoreEnabled)
  return `${lines.join('\n')}\n`
}
