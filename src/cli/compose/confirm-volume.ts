import { confirm } from '../text.ts'
import type { MayReplace } from './converge.ts'
import type { Progress } from './progress.ts'

/** Docker: a volume whose configuration changed is made again only if somebody agrees to lose what it has. */
export function confirmVolume(progress: Progress, { yes }: { yes: boolean }): MayReplace {
  return async (name) => {
    if (yes) return true
    if (!process.stdin.isTTY) return false
    return await progress.aside(() =>
      confirm(
        `Volume ${JSON.stringify(name)} exists but doesn't match configuration in compose file. Recreate (data will be lost)?`,
      ),
    )
  }
}
