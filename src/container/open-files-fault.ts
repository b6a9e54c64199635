import type { HostConfig } from '../wire/container.ts'

/** A runtime needs a handful of files for itself and one for each cgroup hierarchy, under the limit that the container gets. */
const enough = 64

/**
 * What to say of a runtime that failed for want of files: with few allowed it fails anywhere, and its own text (`No space
 * left on device`, for a cpuset that it could not fill) leads astray. Undefined when the limit is not to blame.
 */
export function openFilesFault(
  message: string,
  { Ulimits }: Pick<HostConfig, 'Ulimits'>,
): string | undefined {
  const limit = Ulimits?.find(({ Name }) => Name === 'nofile')
  if (!limit || limit.Soft < 0 || limit.Soft >= enough) return undefined
  if (!/too many open files|cgroup\.procs.*no space left on device/i.test(message)) return undefined
  return `--ulimit nofile=${limit.Soft} leaves too few open files to set the container up: the runtime works under this limit, too. Allow ${enough}, and lower it in the container (sh -c "ulimit -n ${limit.Soft}; exec …")`
}
