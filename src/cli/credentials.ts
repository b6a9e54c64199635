/** Credentials of registries, kept as docker keeps them: in `config.json`, or by programs `docker-credential-NAME`. */
import { hasCode, messageOf } from '../lib/errors.ts'
import type { AuthConfig } from '../wire/registry.ts'
import { ExitError } from './command.ts'

const { lstatSync, mkdirSync, readFileSync, realpathSync } = process.getBuiltinModule('node:fs')
const { dirname } = process.getBuiltinModule('node:path')

/** Docker Hub's key, whatever people call it. */
export const hubAddress = 'https://index.docker.io/v1/'

/** What a helper says when it knows nothing. */
const helperNotFound = 'credentials not found in native keychain'
/** Stands for the user when the secret is an identity token. */
const tokenUser = '<token>'

type Json = Record<string, unknown>

/** A helper is not there, or failed. */
class HelperError extends ExitError {}

export class Credentials {
  readonly #path: string
  #file: Json

  private constructor(path: string, file: Json) {
    this.#path = path
    this.#file = file
  }

  static open(directory: string): Credentials {
    const path = `${directory}/config.json`
    return new Credentials(path, read(path))
  }

  /** Where credentials are written for people to read, or undefined when a helper keeps them. */
  plainPath(address: string): string | undefined {
    return this.#helper(address) === undefined ? this.#path : undefined
  }

  /** Credentials for an address as `login` was given it, or a domain of images. */
  async get(address: string): Promise<AuthConfig | undefined> {
    const key = keyOf(address)
    const helper = this.#helper(key)
    if (helper !== undefined) return await fromHelper(helper, key)
    const auths = objectIn(this.#file, 'auths')
    const found = auths[key] ?? Object.entries(auths).find(([other]) => hostOf(other) === hostOf(key))?.[1]
    return isObject(found) ? decodeEntry(found, key) : undefined
  }

  /**
   * As `get`, for those who may well need none: a helper that does not work is passed over, and `warn` is told. Docker's own
   * desktop leaves its helper in files that people take along.
   */
  async getOrWarn(address: string, warn: (text: string) => void): Promise<AuthConfig | undefined> {
    return await orWarn(() => this.get(address), undefined, warn)
  }

  /** As `all`, for those who may well need none. */
  async allOrWarn(warn: (text: string) => void): Promise<Record<string, AuthConfig>> {
    return await orWarn(() => this.all(), {}, warn)
  }

  /** All that are known, by address; for calls that may need any of them. */
  async all(): Promise<Record<string, AuthConfig>> {
    const addresses = new Set([
      ...Object.keys(objectIn(this.#file, 'auths')),
      ...Object.keys(objectIn(this.#file, 'credHelpers')),
    ])
    const store = this.#file['credsStore']
    if (typeof store === 'string' && store !== '')
      for (const address of await listOf(store)) addresses.add(address)
    const found: Record<string, AuthConfig> = {}
    for (const address of addresses) {
      const auth = await this.get(address)
      if (auth) found[address] = auth
    }
    return found
  }

  async store(address: string, auth: AuthConfig): Promise<void> {
    const key = keyOf(address)
    const { username = '', password = '', identitytoken } = auth
    const helper = this.#helper(key)
    if (helper !== undefined) {
      const Username = identitytoken ? tokenUser : username
      await runHelper(
        helper,
        'store',
        JSON.stringify({ ServerURL: key, Username, Secret: identitytoken || password }),
      )
      // Docker: the entry says that there is a login, no more.
      await this.#save((file) => ({ ...file, auths: { ...objectIn(file, 'auths'), [key]: {} } }))
      return
    }
    const entry = {
      auth: Buffer.from(`${username}:${identitytoken ? '' : password}`).toString('base64'),
      ...(identitytoken && { identitytoken }),
    }
    await this.#save((file) => ({ ...file, auths: { ...objectIn(file, 'auths'), [key]: entry } }))
  }

  /** False when there was nothing to erase. */
  async erase(address: string): Promise<boolean> {
    const key = keyOf(address)
    const helper = this.#helper(key)
    const known = Object.keys(objectIn(this.#file, 'auths')).filter((other) => hostOf(other) === hostOf(key))
    if (helper !== undefined) {
      if (known.length === 0 && (await fromHelper(helper, key)) === undefined) return false
      await runHelper(helper, 'erase', key)
    } else if (known.length === 0) return false
    await this.#save((file) => {
      const auths = Object.entries(objectIn(file, 'auths')).filter(([other]) => !known.includes(other))
      return { ...file, auths: Object.fromEntries(auths) }
    })
    return true
  }

  #helper(address: string): string | undefined {
    const helpers = objectIn(this.#file, 'credHelpers')
    const own = helpers[keyOf(address)] ?? helpers[hostOf(address)]
    if (typeof own === 'string' && own !== '') return own
    const store = this.#file['credsStore']
    return typeof store === 'string' && store !== '' ? store : undefined
  }

  /** Everything else in the file stays as it is; others may have changed it meanwhile. */
  async #save(change: (file: Json) => Json): Promise<void> {
    const { writeFileAtomic } = await import('../lib/atomic-file.ts')
    this.#file = change(read(this.#path))
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFileAtomic(
      followed(this.#path),
      `${JSON.stringify(this.#file, undefined, '\t')}\n`.trimEnd(),
      {
        mode: 0o600,
      },
    )
  }
}

async function orWarn<T>(look: () => Promise<T>, none: T, warn: (text: string) => void): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof HelperError)) throw error
    warn(`WARNING: ${error.message}: going on without credentials\n`)
    return none
  }
}

function read(path: string): Json {
  let text
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return {}
    throw error
  }
  try {
    const decoded: unknown = JSON.parse(text)
    if (isObject(decoded)) return decoded
  } catch {
    // Its message may quote the file.
  }
  throw new ExitError(1, `${path} is not a JSON object: credentials cannot be read from it`)
}

/** People link the file into a repository of their own: what the link leads to is replaced. */
function followed(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : path
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return path
    throw error
  }
}

/** Docker's key: the host, but for Docker Hub. */
export function keyOf(address: string): string {
  const host = hostOf(address)
  return ['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(host) ? hubAddress : host
}

function hostOf(address: string): string {
  return address.replace(/^https?:\/\//, '').split('/', 1)[0] ?? ''
}

function decodeEntry(entry: Json, serveraddress: string): AuthConfig | undefined {
  const text = (name: string) => (typeof entry[name] === 'string' ? entry[name] : '')
  let [username, password] = [text('username'), text('password')]
  if (text('auth') !== '') {
    const plain = Buffer.from(text('auth'), 'base64').toString('utf8')
    const colon = plain.indexOf(':')
    if (colon < 0) throw new ExitError(1, `the credentials for ${serveraddress} in config.json are not valid`)
    username = plain.slice(0, colon)
    password = plain.slice(colon + 1).replace(/\0+$/, '')
  }
  const [identitytoken, registrytoken] = [text('identitytoken'), text('registrytoken')]
  if (username === '' && identitytoken === '' && registrytoken === '') return undefined
  return {
    serveraddress,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(identitytoken !== '' && { identitytoken }),
    ...(registrytoken !== '' && { registrytoken }),
  }
}

async function fromHelper(helper: string, key: string): Promise<AuthConfig | undefined> {
  const output = await runHelper(helper, 'get', key, { mayMiss: true })
  if (output === undefined) return undefined
  let decoded: unknown
  try {
    decoded = JSON.parse(output)
  } catch {
    // Its message would quote the secret.
  }
  if (!isObject(decoded) || typeof decoded['Username'] !== 'string' || typeof decoded['Secret'] !== 'string')
    throw new ExitError(1, `docker-credential-${helper} gave an answer that is not understood`)
  const { Username: username, Secret: secret } = decoded
  return username === tokenUser
    ? { serveraddress: key, identitytoken: secret }
    : { serveraddress: key, username, password: secret }
}

async function listOf(helper: string): Promise<string[]> {
  const output = await runHelper(helper, 'list', '')
  try {
    const decoded: unknown = JSON.parse(output ?? '')
    return isObject(decoded) ? Object.keys(decoded) : []
  } catch {
    throw new ExitError(1, `docker-credential-${helper} gave a list that is not understood`)
  }
}

/** The protocol of docker's credential helpers: a verb as argument, the rest on stdin. undefined: it knows nothing. */
async function runHelper(
  helper: string,
  verb: 'get' | 'store' | 'erase' | 'list',
  input: string,
  o: { mayMiss?: boolean } = {},
): Promise<string | undefined> {
  if (!/^[\w.-]+$/.test(helper))
    throw new ExitError(1, `${JSON.stringify(helper)} cannot be a credential helper`)
  const { spawn } = await import('node:child_process')
  const { text } = await import('node:stream/consumers')
  const program = `docker-credential-${helper}`
  const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  // A helper may end without reading.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  try {
    const [code, output] = await Promise.all([exited, text(child.stdout)])
    if (code === 0) return output
    if (o.mayMiss && output.trim() === helperNotFound) return undefined
    // Helpers report on stdout. What they were given is not repeated.
    throw new HelperError(
      1,
      `error ${verb === 'get' ? 'getting' : verb === 'store' ? 'saving' : 'using'} credentials - err: exit status ${code}, out: \`${output.trim().slice(0, 300)}\``,
    )
  } catch (error) {
    if (error instanceof ExitError) throw error
    const why = hasCode(error, 'ENOENT') ? `executable file not found in $PATH` : messageOf(error)
    throw new HelperError(1, `error getting credentials - err: exec: ${JSON.stringify(program)}: ${why}`)
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function objectIn(file: Json, name: string): Json {
  const value = file[name]
  return isObject(value) ? value : {}
}
