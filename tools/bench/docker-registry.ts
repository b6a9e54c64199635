import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../tests/system/harness.ts'
import { execute } from './engines.ts'

/** The program of Debian's package, unpacked and not installed: it would start a server. Undefined, and said, where there is none. */
export async function dockerRegistry(): Promise<string | undefined> {
  const found = (process.env['PATH'] ?? '')
    .split(':')
    .map((path) => join(path, 'docker-registry'))
    .find((path) => existsSync(path))
  if (found !== undefined) return found
  const cache = join(root, 'node_modules/.cache/docker-registry')
  const program = join(cache, 'usr/bin/docker-registry')
  if (existsSync(program)) return program
  mkdirSync(cache, { recursive: true })
  try {
    const script = 'apt-get -q download docker-registry && dpkg-deb -x docker-registry_*.deb . && rm *.deb'
    await execute('env', ['-C', cache, 'sh', '-c', script])
    return program
  } catch (error) {
    console.error(`without docker-registry: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}
