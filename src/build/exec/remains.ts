import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MNT_DETACH, mountsUnder, unmount } from '../../host/mount.ts'
import { hasCode } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Tools } from './tools.ts'

/** Takes away whatever a step with this id left that a crash cut off: process, cgroup, namespace, workspace, bundle. */
export async function removeRemains(
  op: Op,
  o: Pick<Tools, 'runtime' | 'networks' | 'snapshots' | 'runDir'>,
  id: string,
): Promise<void> {
  op.log.info('removing a build step that was cut off', { id })
  const dir = join(o.runDir, id)
  const remains: [string, () => Promise<unknown>][] = [
    ['process', () => killStep(op, o.runtime, id)],
    ['network', () => o.networks.leave(op, id)],
    ['workspace', () => o.snapshots.remove(op, id)],
    ['secrets', () => Promise.resolve(mountsUnder(dir).forEach((path) => unmount(path, MNT_DETACH)))],
    ['exit code', () => Promise.resolve(o.runtime.forgetExit(id))],
    ['bundle', () => rm(dir, { recursive: true, force: true })],
  ]
  for (const [what, remove] of remains)
    try {
      await remove()
    } catch (error) {
      op.log.warn('removing what a build step left failed', { id, what, error })
    }
}

async function killStep(op: Op, runtime: Runtime, id: string): Promise<void> {
  const found = await runtime.inspect(op, id)
  if (!found) return
  if (found.status !== 'stopped')
    try {
      await runtime.kill(op, id, 9)
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) op.log.debug('build step: kill', { id, error })
    }
  await runtime.delete(op, id)
}
