import { readFile, stat } from 'node:fs/promises'
import { EngineError, messageOf } from '../lib/errors.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string
}

/** Asked before each request: credentials may be changed while the server runs. */
export type S3CredentialsSource = () => Promise<S3Credentials>

const maxFile = 1 << 20

/** Of Amazon's own variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Throws kind `invalid`. */
export function credentialsOfEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): S3CredentialsSource {
  const credentials = complete('the environment', {
    accessKeyId: env['AWS_ACCESS_KEY_ID'],
    secretAccessKey: env['AWS_SECRET_ACCESS_KEY'],
    sessionToken: env['AWS_SESSION_TOKEN'],
  })
  return () => Promise.resolve(credentials)
}

/** Of a profile in a file in Amazon's format; read again when the file changes. Fails with kind `invalid`. */
export function credentialsOfFile(path: string, profile = 'default'): S3CredentialsSource {
  let known: { version: string; credentials: S3Credentials } | undefined
  return async () => {
    let text: string
    let version: string
    try {
      const found = await stat(path)
      version = `${found.ino} ${found.size} ${found.mtimeMs}`
      if (known?.version === version) return known.credentials
      if (found.size > maxFile) throw new Error('it is too large')
      text = await readFile(path, 'utf8')
    } catch (cause) {
      throw new EngineError('invalid', `Cannot read the credentials of S3 in ${path}: ${messageOf(cause)}`, {
        cause,
      })
    }
    const section = sectionOf(text, profile)
    if (!section)
      throw new EngineError('invalid', `no profile [${profile}] in the credentials of S3 in ${path}`)
    const credentials = complete(`profile [${profile}] of ${path}`, {
      accessKeyId: section.get('aws_access_key_id'),
      secretAccessKey: section.get('aws_secret_access_key'),
      sessionToken: section.get('aws_session_token'),
    })
    known = { version, credentials }
    return credentials
  }
}

function complete(
  where: string,
  o: {
    accessKeyId: string | undefined
    secretAccessKey: string | undefined
    sessionToken: string | undefined
  },
): S3Credentials {
  const { accessKeyId = '', secretAccessKey = '', sessionToken = '' } = o
  if (accessKeyId === '') throw new EngineError('invalid', `no AWS_ACCESS_KEY_ID for S3 in ${where}`)
  if (secretAccessKey === '') throw new EngineError('invalid', `no AWS_SECRET_ACCESS_KEY for S3 in ${where}`)
  // They become headers; the text is not repeated.
  for (const [name, value] of Object.entries({ accessKeyId, secretAccessKey, sessionToken }))
    if (!/^[\x21-\x7e]*$/.test(value))
      throw new EngineError('invalid', `the ${name} for S3 in ${where} has characters that are never in one`)
  return { accessKeyId, secretAccessKey, ...(sessionToken !== '' && { sessionToken }) }
}

/** `[name]` and the `key = value` lines below it. */
function sectionOf(text: string, name: string): Map<string, string> | undefined {
  let section: Map<string, string> | undefined
  let inside = false
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    if (line.startsWith('[')) {
      inside = line.replace(/\s/g, '') === `[${name}]`
      if (inside) section ??= new Map()
    } else if (inside && !line.startsWith('#') && !line.startsWith(';')) {
      const at = line.indexOf('=')
      if (at > 0) section?.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim())
    }
  }
  return section
}
