import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  type KeyObject,
} from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { SignJWT } from 'jose'
import { writeFileAtomic } from '../../lib/atomic-file.ts'
import { EngineError, hasCode, messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Grant } from './grants.ts'
import { refreshType, verifyToken } from './token-access.ts'
import { thumbprintOf, TokenKeys, trusted } from './token-keys.ts'

/** How long a `docker login` lasts while the password stays. Seconds. */
const refreshLifetime = 90 * 24 * 3600

/** Signs tokens for this registry with a key of its own. */
export class TokenIssuer {
  readonly issuer: string
  readonly service: string
  /** Seconds. */
  readonly lifetime: number
  readonly keys: TokenKeys
  readonly #key: KeyObject
  readonly #id: string

  private constructor(
    o: { issuer: string; service: string; lifetime: number },
    own: { key: KeyObject; id: string; keys: TokenKeys },
  ) {
    this.issuer = o.issuer
    this.service = o.service
    this.lifetime = o.lifetime
    this.#key = own.key
    this.#id = own.id
    this.keys = own.keys
  }

  static async open(o: {
    issuer: string
    service: string
    lifetime: number
    keyFile: string
  }): Promise<TokenIssuer> {
    const key = await signingKey(o.keyFile)
    const open = createPublicKey(key)
    const keys = new TokenKeys([await trusted(open)])
    return new TokenIssuer(o, { key, id: await thumbprintOf(open), keys })
  }

  /** Docker: `user` is empty for those who gave no login. */
  async token(user: string | undefined, grants: readonly Grant[]): Promise<string> {
    return this.#sign({ access: grants }, { user: user ?? '', type: 'JWT', lifetime: this.lifetime })
  }

  /** What a client keeps in place of the password. `stamp` ties it to the password it was bought with. */
  async refreshToken(user: string, stamp: string): Promise<string> {
    return this.#sign({ stamp }, { user, type: refreshType, lifetime: refreshLifetime })
  }

  /** Whose refresh token it is, and the stamp it was made with; undefined: no good. */
  async ownerOf(op: Op, refreshToken: string): Promise<{ user: string; stamp: string } | undefined> {
    const rules = {
      keys: () => Promise.resolve(this.keys),
      issuer: this.issuer,
      service: this.service,
      refresh: true,
    }
    const verified = await verifyToken(op, refreshToken, rules)
    const stamp = verified?.claims['stamp']
    return verified?.user !== undefined && typeof stamp === 'string'
      ? { user: verified.user, stamp }
      : undefined
  }

  #sign(
    claims: Record<string, unknown>,
    o: { user: string; type: string; lifetime: number },
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: o.type, kid: this.#id })
      .setIssuer(this.issuer)
      .setAudience(this.service)
      .setSubject(o.user)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + o.lifetime)
      .setJti(randomUUID())
      .sign(this.#key)
  }
}

/** The key in the file; made there when the file is missing, so that logins outlast a restart. */
async function signingKey(path: string): Promise<KeyObject> {
  try {
    const key = createPrivateKey(await readFile(path, 'utf8'))
    const { namedCurve } = key.asymmetricKeyDetails ?? {}
    if (key.asymmetricKeyType !== 'ec' || namedCurve !== 'prime256v1')
      throw new EngineError('invalid', 'want an EC key of curve P-256')
    return key
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT'))
      throw new EngineError('invalid', `Cannot read token key ${path}: ${messageOf(cause)}`, { cause })
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  await writeFileAtomic(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await chmod(path, 0o600)
  return privateKey
}
