/** Registries, spoken to by the command line itself: what no engine knows of, such as applications of Compose. */
import { silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { plainSettings, proxiesOf, Registries, type Repository } from '../registry/index.ts'
import type { Context } from './command.ts'
import { Credentials } from './credentials.ts'

export interface RegistryClient extends Disposable {
  readonly op: Op
  repository(domain: string, path: string, access: 'pull' | 'push'): Promise<Repository>
}

/** With our credentials and the proxies of the environment; a registry that the engine takes for insecure is that here, too. */
export function openRegistries(context: Context, signal?: AbortSignal): RegistryClient {
  const op = background(silentLogger, signal)
  let registries: Promise<Registries> | undefined
  return {
    op,
    async repository(domain, path, access) {
      const auth = await Credentials.open(context.config.directory).getOrWarn(domain, (text) =>
        context.err(text),
      )
      const all = await (registries ??= open(context))
      return await all.repository(op, { domain, path, auth, access })
    },
    [Symbol.dispose]() {
      void registries?.then((all) => all.close())
    },
  }
}

async function open(context: Context): Promise<Registries> {
  const { IndexConfigs, InsecureRegistryCIDRs } = (await context.client.system.info()).RegistryConfig
  const insecure = Object.values(IndexConfigs).flatMap(({ Name, Secure }) => (Secure ? [] : [Name]))
  return new Registries({
    ...plainSettings,
    insecure: [...insecure, ...InsecureRegistryCIDRs],
    proxies: proxiesOf(process.env),
  })
}
