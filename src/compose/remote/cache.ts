import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { hasCode } from '../../lib/errors.ts'

/** Docker compose's own: what is fetched has the same place for both, and so a container's configuration the same hash. */
export function cacheFolder(environment: NodeJS.ProcessEnv): string {
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'docker-compose')
}

/** A folder that is there whole or not at all. `fill` makes it where it is told. */
export async function intoCache(
  cache: string,
  name: string,
  fill: (into: string) => Promise<void>,
): Promise<string> {
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const temporary = join(cache, `.${name}.${randomBytes(4).toString('hex')}`)
  try {
    await fill(temporary)
    await rename(temporary, folder)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Somebody else was quicker, with the same content.
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error
  }
  return folder
}
