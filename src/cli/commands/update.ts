import type { ResourceUpdate } from '../../wire/container.ts'
import { command, ExitError, forEach } from '../command.ts'
import { parseRestart } from '../create-body.ts'
import { int, string } from '../flags.ts'
import { createFlags } from '../run-flags.ts'

export const update = command({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  arguments: [1, Infinity],
  flags: {
    'blkio-weight': createFlags['blkio-weight'],
    'cpu-period': createFlags['cpu-period'],
    'cpu-quota': createFlags['cpu-quota'],
    'cpu-rt-period': int('Limit the CPU real-time period in microseconds'),
    'cpu-rt-runtime': int('Limit the CPU real-time runtime in microseconds'),
    'cpu-shares': createFlags['cpu-shares'],
    cpus: createFlags.cpus,
    'cpuset-cpus': createFlags['cpuset-cpus'],
    'cpuset-mems': createFlags['cpuset-mems'],
    memory: createFlags.memory,
    'memory-reservation': createFlags['memory-reservation'],
    'memory-swap': {
      ...createFlags['memory-swap'],
      help: 'Swap limit equal to memory plus swap: -1 to enable unlimited swap',
    },
    'pids-limit': createFlags['pids-limit'],
    restart: string('Restart policy to apply when a container exits'),
  },
  async run(context, flags, names, given) {
    if (given.size === 0) throw new ExitError(1, 'you must provide one or more flags when using this command')
    const all: { [K in keyof ResourceUpdate]: ResourceUpdate[K] | undefined } = {
      BlkioWeight: flags['blkio-weight'] || undefined,
      CpuPeriod: flags['cpu-period'] || undefined,
      CpuQuota: flags['cpu-quota'] || undefined,
      CpuRealtimePeriod: flags['cpu-rt-period'] || undefined,
      CpuRealtimeRuntime: flags['cpu-rt-runtime'] || undefined,
      CpuShares: flags['cpu-shares'] || undefined,
      NanoCpus: flags.cpus,
      CpusetCpus: flags['cpuset-cpus'] || undefined,
      CpusetMems: flags['cpuset-mems'] || undefined,
      Memory: flags.memory,
      MemoryReservation: flags['memory-reservation'],
      MemorySwap: flags['memory-swap'],
      PidsLimit: given.has('pids-limit') ? flags['pids-limit'] : undefined,
      RestartPolicy: flags.restart === '' ? undefined : parseRestart(flags.restart),
    }
    const said = Object.entries(all).filter(([, value]) => value !== undefined)
    // Filtered above: what is left has a value of its field's type.
    const body = Object.fromEntries(said) as ResourceUpdate
    const warnings: string[] = []
    const code = await forEach(context, names, async (name) => {
      const { Warnings } = await context.client.containers.update(name, body)
      warnings.push(...(Warnings ?? []))
      return name
    })
    for (const warning of warnings) context.err(`${warning}\n`)
    return code
  },
})
