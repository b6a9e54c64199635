import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { EngineError, messageOf } from '../lib/errors.ts'

/** A file, and the flag that names it. */
export interface NamedFile {
  readonly name: string
  readonly path: string
}

/** PEM texts. */
export interface IdentityTexts {
  readonly cert: string
  readonly key: string
  /** Of clients' certificates. */
  readonly ca: string | undefined
}

/** Reads what a TLS server is known by. Throws kind `invalid` naming the file that cannot be read, is something else, or does not fit. */
export async function readIdentity(o: {
  cert: NamedFile
  key: NamedFile
  ca: NamedFile | undefined
}): Promise<IdentityTexts> {
  const cert = await read(o.cert)
  const key = await read(o.key)
  const ca = o.ca && (await read(o.ca))
  const certificate = parse(o.cert, 'a certificate', () => new X509Certificate(cert))
  const privateKey = parse(o.key, 'a private key without a passphrase', () => createPrivateKey(key))
  if (o.ca && ca !== undefined) parse(o.ca, 'a certificate', () => new X509Certificate(ca))
  if (!certificate.checkPrivateKey(privateKey))
    throw new EngineError(
      'invalid',
      `${o.key.name} ${o.key.path} is not the key of the certificate ${o.cert.name} ${o.cert.path}`,
    )
  return { cert, key, ca }
}

async function read({ name, path }: NamedFile): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new EngineError('invalid', `Cannot read ${name} ${path}: ${messageOf(cause)}`, { cause })
  }
}

function parse<T>({ name, path }: NamedFile, what: string, decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    throw new EngineError('invalid', `${name} ${path}: want ${what} as PEM`, { cause })
  }
}
