/** Stock docker composes that are here. */
import { spawnSync } from 'node:child_process'
import { missing } from '../system/harness.ts'

/** A stock docker compose: Debian 12 has version 1 (Python), Debian 13 version 2. */
export interface Program {
  readonly argv: readonly string[]
  readonly major: number
  readonly version: string
}

/** `docker-compose` on the path, docker's plugin, and those that GANTRY_TEST_COMPOSE names, with colons between. */
export function programs(): Program[] {
  const named = (process.env['GANTRY_TEST_COMPOSE'] ?? '').split(':').filter((path) => path !== '')
  const found = [
    ['docker-compose'],
    ...(missing('docker') ? [] : [['docker', 'compose']]),
    ...named.map((path) => [path]),
  ]
  const all = found.flatMap((argv): Program[] => {
    const [file = '', ...args] = argv
    const { status, stdout } = spawnSync(file, [...args, 'version', '--short'], { encoding: 'utf8' })
    const version = /^v?(\d+)\.\d+\.\S+/.exec(stdout ?? '')
    return status === 0 && version ? [{ argv, major: Number(version[1]), version: version[0] }] : []
  })
  return [...new Map(all.map((program) => [program.version, program])).values()]
}
