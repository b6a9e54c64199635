import { z } from 'zod'
import { isDigest, type Digest } from '../../lib/digest.ts'
import type { OciMount } from '../../runtime/index.ts'
import type { RunStep } from '../graph/works.ts'

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))
const space = z.object({ id: z.string(), layers: z.array(digest) })
const mount = z.object({
  destination: z.string(),
  type: z.string(),
  options: z.array(z.string()),
  /** A path in one of the spaces, else one of the host that may be gone: a cache, memory. */
  space: z.string().exactOptional(),
  source: z.string(),
})

export const recordSchema = z.object({
  /** The build whose step it is. */
  build: z.string(),
  createdAt: z.string(),
  /** Nothing of a step is synced to disk: it is worth nothing after a reboot. */
  boot: z.string(),
  /** What the command wrote in. */
  space: z.string(),
  spaces: z.array(space),
  mounts: z.array(mount),
  // Written by us from a step of our own making; it is only ever given back to the code that made it.
  step: z.custom<RunStep>((value) => typeof value === 'object' && value !== null),
  cgroupParent: z.string(),
})
export type FailedRecord = z.infer<typeof recordSchema>
export type KeptMount = z.infer<typeof mount>

/** What is mounted, in terms that stay true when the workspaces are mounted again. */
export function keptMount(
  mounted: OciMount,
  spaces: readonly { readonly id: string; readonly root: string }[],
): KeptMount {
  const { destination, type, source, options } = mounted
  const holder = spaces.find(({ root }) => source === root || source.startsWith(`${root}/`))
  const common = { destination, type, options: [...options] }
  return holder
    ? { ...common, space: holder.id, source: source.slice(holder.root.length) }
    : { ...common, source }
}
