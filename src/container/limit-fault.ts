import type { HostConfig } from '../wire/container.ts'

/** A runtime needs a handful of files for itself and one for each cgroup hierarchy, under the limit that the container gets. */
const enough = 64

/** Which limit made a runtime fail, and what to do; undefined when none is to blame. */
export function limitFault(
  message: string,
  h: Pick<HostConfig, 'Ulimits' | 'BlkioWeight' | 'BlkioWeightDevice'>,
): string | undefined {
  return openFilesFault(message, h) ?? weightFault(message, h)
}

/** With few files it fails anywhere, and its own text (`No space left on device`, for a cpuset that it could not fill) leads astray. */
function openFilesFault(message: string, { Ulimits }: Pick<HostConfig, 'Ulimits'>): string | undefined {
  const limit = Ulimits?.find(({ Name }) => Name === 'nofile')
  if (!limit || limit.Soft < 0 || limit.Soft >= enough) return undefined
  if (!/too many open files|cgroup\.procs.*no space left on device/i.test(message)) return undefined
  return `--ulimit nofile=${limit.Soft} leaves too few open files to set the container up: the runtime works under this limit, too. Allow ${enough}, and lower it in the container (sh -c "ulimit -n ${limit.Soft}; exec …")`
}

function weightFault(
  message: string,
  h: Pick<HostConfig, 'BlkioWeight' | 'BlkioWeightDevice'>,
): string | undefined {
  if (!/\b(blk)?io\.(bfq\.)?weight(_device)?\b/.test(message)) return undefined
  if (h.BlkioWeightDevice?.length && /not supported/i.test(message))
    return '--blkio-weight-device needs a device that bfq schedules: echo bfq >/sys/block/DEVICE/queue/scheduler'
  if (!h.BlkioWeight) return undefined
  return `--blkio-weight ${h.BlkioWeight} cannot be set by this runtime: it looks for blkio.weight, and the kernel has weights under the name of bfq alone, or none. Another --runtime, such as runc, may know both`
}
