import type { MayReplace } from './converge.ts'
import { confirm } from '../text.ts'

/** Docker: a volume whose configuration changed is made again only if somebody agrees to lose what it has. */
export function confirmVolume(yes: boolean): MayReplace {
  return async (name) => {
    if (yes) return true
    if (!process.stdin.isTTY) return false
    return confirm(
      `Volume ${JSON.stringify(name)} exists but doesn't match configuration in compose file. Recreate (data will be lost)?`,
    )
  }
}
