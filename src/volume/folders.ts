import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../lib/errors.ts'
import { unmountBelow } from './driver.ts'

/** Where a volume's content is, in its folder. */
export const dataFolder = '_data'

/** Beside the volumes, whose names cannot start with a dot. */
export const removingPrefix = '.removing-'
export const trashPrefix = '.trash-'
export const importPrefix = '.new-'

/** Removes what is in a folder, and nothing of what is mounted there. */
export async function clear(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  for (const entry of entries) {
    unmountBelow(join(folder, entry))
    await rm(join(folder, entry), { recursive: true, force: true })
  }
}

/** Whether a volume's folder holds nothing, or an empty directory for its content. */
export async function isEmptyTree(folder: string): Promise<boolean> {
  const names = await readdir(folder)
  if (names.length === 0) return true
  return (
    names.length === 1 && names[0] === dataFolder && (await readdir(join(folder, dataFolder))).length === 0
  )
}
