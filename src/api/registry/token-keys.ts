import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, decodeProtectedHeader, type ProtectedHeaderParameters } from 'jose'
import { z } from 'zod'
import { EngineError, messageOf } from '../../lib/errors.ts'

interface TrustedKey {
  readonly key: KeyObject
  /** What a token's `kid` may call it. */
  readonly ids: ReadonlySet<string>
}

/** Longer chains of certificates are nobody's. */
const maxChain = 5

/** The keys whose signatures count. */
export class TokenKeys {
  readonly #keys: readonly TrustedKey[]
  readonly #authorities: readonly X509Certificate[]

  constructor(keys: readonly TrustedKey[], authorities: readonly X509Certificate[] = []) {
    this.#keys = keys
    this.#authorities = authorities
  }

  /** The keys that may have signed a token, by its header. */
  candidates(token: string): KeyObject[] {
    const header = decodeProtectedHeader(token)
    const leaf = this.#leafOf(header)
    if (leaf) return [leaf.publicKey]
    const { kid } = header
    // Without a name, each is tried: a signature is good under one key only.
    return this.#keys.filter(({ ids }) => kid === undefined || ids.has(kid)).map(({ key }) => key)
  }

  /** The certificate that comes with a token, when a chain leads from it to one of ours (RFC 7515, section 4.1.6). */
  #leafOf({ x5c }: ProtectedHeaderParameters): X509Certificate | undefined {
    if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > maxChain) return undefined
    const chain = x5c.map((text) => new X509Certificate(Buffer.from(String(text), 'base64')))
    const now = Date.now()
    const isValid = (certificate: X509Certificate) =>
      certificate.validFromDate.getTime() <= now && now <= certificate.validToDate.getTime()
    const signed = (certificate: X509Certificate, issuer: X509Certificate) =>
      certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
    for (const [index, certificate] of chain.entries()) {
      if (!isValid(certificate)) return undefined
      const isOurs = this.#authorities.some((own) => own.fingerprint256 === certificate.fingerprint256)
      const trusted = this.#authorities.some((own) => own.ca && isValid(own) && signed(certificate, own))
      if (isOurs || trusted) return chain[0]
      const next = chain[index + 1]
      if (!next?.ca || !signed(certificate, next)) return undefined
    }
    return undefined
  }
}

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().exactOptional() })) })

/**
 * Decodes a file of keys: a JSON Web Key Set (RFC 7517), or PEM public keys and certificates, any number of them. Throws kind
 * `invalid`.
 */
export async function parseTokenKeys(text: string): Promise<TokenKeys> {
  const keys = text.trimStart().startsWith('{') ? jwksOf(text) : pemOf(text)
  if (keys.length === 0) throw new EngineError('invalid', 'no public key and no certificate in it')
  return new TokenKeys(
    await Promise.all(keys.map(({ key, id }) => trusted(key, id))),
    keys.flatMap(({ certificate }) => certificate ?? []),
  )
}

/** A key with the names that signers give it: its own, its thumbprint (RFC 7638), and libtrust's fingerprint. */
export async function trusted(key: KeyObject, id?: string): Promise<TrustedKey> {
  const ids = [await thumbprintOf(key), libtrustId(key), ...(id === undefined ? [] : [id])]
  return { key, ids: new Set(ids) }
}

export function thumbprintOf(key: KeyObject): Promise<string> {
  return calculateJwkThumbprint(key.export({ format: 'jwk' }))
}

interface FoundKey {
  readonly key: KeyObject
  readonly id?: string | undefined
  readonly certificate?: X509Certificate
}

function jwksOf(text: string): FoundKey[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('invalid', messageOf(cause), { cause })
  }
  const result = jwks.safeParse(value)
  if (!result.success) throw new EngineError('invalid', 'want a JSON Web Key Set: {"keys": […]}')
  return result.data.keys.map((jwk, index) => {
    if (jwk.kty === 'oct' || 'd' in jwk)
      throw new EngineError('invalid', `keys.${index} is secret: only public keys belong here`)
    try {
      return { key: createPublicKey({ key: jwk, format: 'jwk' }), id: jwk.kid }
    } catch (cause) {
      throw new EngineError('invalid', `keys.${index}: ${messageOf(cause)}`, { cause })
    }
  })
}

function pemOf(text: string): FoundKey[] {
  return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^]*?-----END \1-----/g)].map(([pem, kind = '']) => {
    if (kind.includes('PRIVATE'))
      throw new EngineError('invalid', 'a private key is in it: only public keys belong here')
    try {
      if (kind !== 'CERTIFICATE') return { key: createPublicKey(pem) }
      const certificate = new X509Certificate(pem)
      return { key: certificate.publicKey, certificate }
    } catch (cause) {
      throw new EngineError('invalid', `${kind.toLowerCase()}: ${messageOf(cause)}`, { cause })
    }
  })
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** What docker's token servers call a key: 240 bits of the SHA-256 of its DER form, in groups of four letters. */
export function libtrustId(key: KeyObject): string {
  const hash = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
  const bits = [...hash.subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const letters = (bits.match(/.{5}/g) ?? []).map((five) => base32[Number.parseInt(five, 2)])
  return (letters.join('').match(/.{4}/g) ?? []).join(':')
}
