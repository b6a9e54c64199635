/** Commands that name containers and do one thing to each. */
import { DaemonError } from '../../client/index.ts'
import type { PortCheckInfo } from '../../wire/container.ts'
import { command, ExitError, forEach, type Context } from '../command.ts'
import { describeError } from '../errors.ts'
import { bool, int, string, value, type Flag, type Values } from '../flags.ts'
import { alignTable } from '../text.ts'

const one = 'CONTAINER [CONTAINER...]'

const seconds = (hidden: boolean): Flag<number | undefined> =>
  value<number | undefined>(
    'int',
    'Seconds to wait before killing the container',
    undefined,
    (text, previous) => int('').read(text, previous ?? 0),
    hidden ? { hidden } : { short: 't' },
  )

const stopFlags = {
  signal: string('Signal to send to the container', { short: 's' }),
  // Docker: the name before 28, still understood.
  time: seconds(true),
  timeout: seconds(false),
}

function stopOptions(flags: Values<typeof stopFlags>): { signal?: string; timeout?: number } {
  const timeout = flags.timeout ?? flags.time
  return { ...(flags.signal !== '' && { signal: flags.signal }), ...(timeout !== undefined && { timeout }) }
}

export const stop = command({
  usage: `[OPTIONS] ${one}`,
  arguments: [1, Infinity],
  flags: stopFlags,
  run: (context, flags, names) =>
    forEach(context, names, async (name) => {
      const stopped = await context.client.containers.stop(name, stopOptions(flags))
      if (stopped) await tellForce(context, name)
      return name
    }),
})

/** One line where stopping took SIGKILL: what the program should mend. */
async function tellForce(context: Context, name: string): Promise<void> {
  try {
    const { Reason } = (await context.client.containers.inspect(name)).State
    if (Reason?.Kind === 'deaf' || Reason?.Kind === 'stop-timeout')
      context.err(`gantry: ${name}: ${Reason.Text}\n`)
  } catch (error) {
    // With --rm it has gone with its reason.
    if (!(error instanceof DaemonError) || error.status !== 404) throw error
  }
}

export const restart = command({
  usage: `[OPTIONS] ${one}`,
  arguments: [1, Infinity],
  flags: stopFlags,
  run: (context, flags, names) =>
    forEach(context, names, async (name) => {
      await context.client.containers.restart(name, stopOptions(flags))
      return name
    }),
})

export const kill = command({
  usage: `[OPTIONS] ${one}`,
  arguments: [1, Infinity],
  flags: { signal: string('Signal to send to the container', { short: 's' }) },
  run: (context, flags, names) =>
    forEach(context, names, async (name) => {
      await context.client.containers.kill(name, flags.signal || undefined)
      return name
    }),
})

export const pause = command({
  usage: one,
  arguments: [1, Infinity],
  flags: {},
  run: (context, _flags, names) =>
    forEach(context, names, async (name) => {
      await context.client.containers.pause(name)
      return name
    }),
})

export const unpause = command({
  usage: one,
  arguments: [1, Infinity],
  flags: {},
  run: (context, _flags, names) =>
    forEach(context, names, async (name) => {
      await context.client.containers.unpause(name)
      return name
    }),
})

export const rename = command({
  usage: 'CONTAINER NEW_NAME',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [from = '', to = '']) {
    if (from.trim() === '' || to.trim() === '')
      throw new ExitError(1, 'Error: Neither old nor new names may be empty')
    try {
      await context.client.containers.rename(from, to.trim())
    } catch (error) {
      context.err(`${describeError(error)}\n`)
      throw new ExitError(1, `Error: failed to rename container named ${from}`)
    }
  },
})

export const rm = command({
  usage: `[OPTIONS] ${one}`,
  arguments: [1, Infinity],
  flags: {
    force: bool('Force the removal of a running container (uses SIGKILL)', { short: 'f' }),
    link: bool('Remove the specified link', { short: 'l' }),
    volumes: bool('Remove anonymous volumes associated with the container', { short: 'v' }),
  },
  run: (context, flags, names) =>
    forEach(context, names, async (name) => {
      const trimmed = name.replace(/^\/+|\/+$/g, '')
      if (trimmed === '') throw new Error('Container name cannot be empty')
      try {
        await context.client.containers.remove(trimmed, flags)
        return name
      } catch (error) {
        // Docker: with --force a container that is not there is said, but no failure.
        if (!flags.force || !(error instanceof DaemonError) || error.status !== 404) throw error
        context.err(`Error response from daemon: ${error.message}\n`)
        return undefined
      }
    }),
})

export const wait = command({
  usage: one,
  arguments: [1, Infinity],
  flags: {},
  run: (context, _flags, names) =>
    forEach(context, names, async (name) => {
      const { result } = await context.client.containers.wait(name)
      const { StatusCode, Error: failure } = await result
      if (failure?.Message) throw new Error(failure.Message)
      return String(StatusCode)
    }),
})

export const top = command({
  usage: 'CONTAINER [ps OPTIONS]',
  arguments: [1, Infinity],
  interspersed: false,
  flags: {},
  async run(context, _flags, [name = '', ...psArguments]) {
    const { Titles, Processes } = await context.client.containers.top(name, psArguments.join(' '))
    context.out(alignTable([Titles, ...Processes], 20))
  },
})

export const port = command({
  usage: '[OPTIONS] CONTAINER [PRIVATE_PORT[/PROTO]]',
  arguments: [1, 2],
  flags: { check: bool('Show who can reach each port, and what stands in the way') },
  async run(context, flags, [name = '', asked]) {
    if (flags.check) {
      const { Ports } = await context.client.containers.checkPorts(name)
      context.out(checkTable(asked === undefined ? Ports : Ports.filter((p) => isPort(p, asked))))
      return
    }
    const { NetworkSettings } = await context.client.containers.inspect(name)
    const ports = NetworkSettings.Ports ?? {}
    const text = (binding: { HostIp?: string; HostPort?: string }) => {
      const host = binding.HostIp ?? ''
      return `${host.includes(':') ? `[${host}]` : host}:${binding.HostPort ?? ''}`
    }
    if (asked === undefined) {
      const lines = Object.entries(ports).flatMap(([key, bindings]) =>
        (bindings ?? []).map((binding) => ({ key, line: `${key} -> ${text(binding)}\n` })),
      )
      lines.sort((a, b) => Number.parseInt(a.key, 10) - Number.parseInt(b.key, 10))
      context.out(lines.map(({ line }) => line).join(''))
      return
    }
    const key = asked.includes('/') ? asked : `${asked}/tcp`
    if (!/^\d+\/[a-z]+$/.test(key)) throw new ExitError(1, `Error: invalid port (${asked})`)
    const bindings = ports[key]
    if (!bindings || bindings.length === 0)
      throw new ExitError(1, `Error: No public port '${asked}' published for ${name}`)
    context.out(bindings.map((binding) => `${text(binding)}\n`).join(''))
  },
})

const isPort = (p: PortCheckInfo, asked: string): boolean =>
  `${p.ContainerPort}/${p.Type}` === (asked.includes('/') ? asked : `${asked}/tcp`)

function checkTable(ports: readonly PortCheckInfo[]): string {
  const reach = ({ Reach, Because }: PortCheckInfo['Loopback']) =>
    Reach + (Because === '' ? '' : `: ${Because}`)
  const rows = ports.map((p) => [
    `${p.ContainerPort}/${p.Type}`,
    `${p.HostIp.includes(':') ? `[${p.HostIp}]` : p.HostIp}:${p.HostPort}`,
    p.Way,
    reach(p.Loopback),
    reach(p.ThisHost),
    reach(p.OtherHosts),
  ])
  return alignTable([['PORT', 'PUBLISHED', 'WAY', 'LOOPBACK', 'THIS HOST', 'OTHER HOSTS'], ...rows])
}
