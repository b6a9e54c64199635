import { fetchRemote, RemoteNeeded, shownPlace, type RemoteFiles } from '../../compose/index.ts'
import { EngineError, kindOf, messageOf } from '../../lib/errors.ts'
import type { Context } from '../command.ts'

/** Loads, and begins again with each file that had to be fetched of elsewhere. */
export async function withRemoteFiles<T>(
  context: Context,
  load: (remotes: RemoteFiles) => T | Promise<T>,
): Promise<T> {
  const remotes = new Map<string, string>()
  for (;;)
    try {
      return await load(remotes)
    } catch (error) {
      if (!(error instanceof RemoteNeeded) || remotes.has(error.address)) throw error
      remotes.set(error.address, await fetch(context, error))
    }
}

async function fetch(context: Context, { address, at }: RemoteNeeded): Promise<string> {
  const { openRegistries } = await import('../registry-client.ts')
  using registries = openRegistries(context)
  try {
    return await fetchRemote(registries.op, address, {
      environment: process.env,
      open: (_op, domain, path) => registries.repository(domain, path, 'pull'),
    })
  } catch (cause) {
    const why =
      address.startsWith('oci://') && kindOf(cause) !== 'invalid'
        ? `failed to pull OCI resource ${JSON.stringify(address.slice(6))}: ${messageOf(cause)}`
        : messageOf(cause)
    throw new EngineError(kindOf(cause), at.file === '' ? why : `${shownPlace(at)}: ${why}`, { cause })
  }
}
