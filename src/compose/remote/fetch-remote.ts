import { EngineError } from '../../lib/errors.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import type { Op } from '../../lib/op.ts'
import type { Repository } from '../../registry/index.ts'
import { cacheFolder } from './cache.ts'
import { artifactScheme } from './remote-file.ts'

export interface FetchOptions {
  readonly environment: NodeJS.ProcessEnv
  /** A repository of a registry, to read of it. */
  readonly open: (op: Op, domain: string, path: string) => Promise<Repository>
}

/** Fetches what an address means, unless it is there from before; returns the Compose file. */
export async function fetchRemote(
  op: Op,
  address: string,
  { environment, open }: FetchOptions,
): Promise<string> {
  const cache = cacheFolder(environment)
  if (address.startsWith(artifactScheme)) {
    checkEnabled('OCI', environment)
    const { fetchArtifact } = await import('./fetch-artifact.ts')
    return await fetchArtifact(op, address, { cache, open })
  }
  checkEnabled('git', environment)
  const { fetchGit } = await import('./fetch-git.ts')
  return await fetchGit(address, { cache, environment, signal: op.signal })
}

/** Docker compose's switches. */
function checkEnabled(what: 'git' | 'OCI', environment: NodeJS.ProcessEnv): void {
  const name = `COMPOSE_EXPERIMENTAL_${what.toUpperCase()}_REMOTE`
  const told = environment[name] ?? ''
  if (told === '') return
  const enabled = parseBool(told)
  if (enabled === undefined)
    throw new EngineError(
      'invalid',
      `${name} environment variable expects boolean value, not ${JSON.stringify(told)}`,
    )
  if (!enabled)
    throw new EngineError('forbidden', `${what} remote resource is disabled by ${JSON.stringify(name)}`)
}
