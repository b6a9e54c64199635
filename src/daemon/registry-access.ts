import type { IncomingMessage } from 'node:http'
import {
  BasicAccess,
  openAccess,
  parseHtpasswd,
  parseRights,
  parseTokenKeys,
  Passwords,
  TokenAccess,
  TokenEndpoint,
  TokenIssuer,
  usersOnly,
  type Access,
  type Allowance,
} from '../api/registry/index.ts'
import type { Op } from '../lib/op.ts'
import { ReloadedFile } from '../lib/reloaded-file.ts'
import { addressText, type LoginConfig, type RegistryConfig } from './registry-config.ts'

export interface OpenedAccess {
  readonly access: Access
  readonly tokens: TokenEndpoint | undefined
  /** Looks at the files of users, rights and keys now. */
  reload(op: Op): Promise<void>
}

/** Opens what the configuration says about logins. Throws kind `invalid` naming the file that is no good. */
export async function openRegistryAccess(op: Op, config: RegistryConfig): Promise<OpenedAccess> {
  const { login } = config
  switch (login.kind) {
    case 'open':
      return { access: openAccess, tokens: undefined, reload: () => Promise.resolve() }
    case 'token-server': {
      const keys = await ReloadedFile.open(login.keys, parseTokenKeys)
      const access = new TokenAccess({ ...login, keys: (op) => keys.current(op), realm: () => login.realm })
      return { access, tokens: undefined, reload: (op) => keys.reload(op) }
    }
    case 'basic': {
      const users = await openUsers(op, login)
      if (users.hasAnonymous)
        op.log.warn('docker pulls nothing without a login unless there are tokens: use --token-endpoint', {
          rights: login.rights,
        })
      return { access: new BasicAccess({ ...users, realm: 'Gantry registry' }), tokens: undefined, ...users }
    }
    case 'token-endpoint': {
      const users = await openUsers(op, login)
      const issuer = await TokenIssuer.open(login)
      const access = new TokenAccess({
        ...login,
        keys: () => Promise.resolve(issuer.keys),
        realm: (request) => login.realm ?? ownRealm(request, config),
        // For people with curl, and for Prometheus.
        fallback: new BasicAccess({ ...users, realm: 'Gantry registry' }),
        sees: async (op, user) => {
          const rights = await users.rights(op)
          return (repository) => rights.allows(user, repository, 'pull')
        },
      })
      return { access, tokens: new TokenEndpoint({ issuer, ...users }), reload: users.reload }
    }
  }
}

async function openUsers(
  op: Op,
  login: Extract<LoginConfig, { htpasswd: string }>,
): Promise<{
  passwords: Passwords
  rights: (op: Op) => Promise<Allowance>
  /** At the start. */
  hasAnonymous: boolean
  reload: (op: Op) => Promise<void>
}> {
  const htpasswd = await ReloadedFile.open(login.htpasswd, parseHtpasswd)
  const rights = login.rights === undefined ? undefined : await ReloadedFile.open(login.rights, parseRights)
  return {
    passwords: new Passwords(htpasswd),
    rights: (asking) => (rights ? rights.current(asking) : Promise.resolve(usersOnly)),
    hasAnonymous: (await rights?.current(op))?.hasAnonymous ?? false,
    reload: async (reloading) => {
      await htpasswd.reload(reloading)
      await rights?.reload(reloading)
    },
  }
}

/** The endpoint at the name by which the client knows us. */
function ownRealm(request: IncomingMessage, config: RegistryConfig): string {
  const { host = '' } = request.headers
  const name = /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/.test(host) ? host : addressText(config.listen)
  return `${config.tls ? 'https' : 'http'}://${name}/token`
}
