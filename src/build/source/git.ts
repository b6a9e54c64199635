import { EngineError, messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { run } from '../../host/spawn.ts'
import type { Proxies } from '../../registry/index.ts'
import { findRef, isCommit, refQuery } from '../../lib/git-refs.ts'
import { shownUrl, type GitSource } from '../../lib/git-url.ts'

export interface GitAccess {
  /** Socket of an SSH agent. */
  readonly agent?: string
  /** An `Authorization` header for http(s), sent to the repository's own host alone. */
  readonly authorization?: string
  /** File of known SSH servers. */
  readonly knownHosts: string
  readonly proxies: Proxies
}

/** What git may speak: nothing that runs a program named in an URL, and no files of this host. */
const protocols = 'https:http:ssh:git'

/**
 * The `git` program in a bare environment: it reads no configuration of this host, asks nobody, runs no hooks or
 * filters, and speaks a few protocols alone. URL and credentials are in its environment, not among its arguments.
 */
export class Git {
  readonly #source: GitSource
  readonly #env: Record<string, string>

  /** `dir`: the repository; `tree`: where its files are checked out. */
  constructor(source: GitSource, access: GitAccess, o: { home: string; dir?: string; tree?: string }) {
    this.#source = source
    this.#env = {
      PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: o.home,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: 'false',
      SSH_ASKPASS: 'false',
      GIT_LFS_SKIP_SMUDGE: '1',
      GIT_ALLOW_PROTOCOL: protocols,
      GIT_OPTIONAL_LOCKS: '0',
      GANTRY_KNOWN_HOSTS: access.knownHosts,
      // A constant: ssh puts the file's name in itself, whatever characters it has.
      GIT_SSH_COMMAND:
        "ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=30 -o StrictHostKeyChecking=accept-new -o 'UserKnownHostsFile=${GANTRY_KNOWN_HOSTS}' -o GlobalKnownHostsFile=/dev/null",
      ...proxyEnv(access.proxies),
      ...(access.agent !== undefined && { SSH_AUTH_SOCK: access.agent }),
      ...(o.dir !== undefined && { GIT_DIR: o.dir }),
      ...(o.tree !== undefined && { GIT_WORK_TREE: o.tree }),
      ...configuration(source, access),
    }
  }

  /** The commit that a ref means, and its full name: a branch counts before a tag. Throws kind `not-found`. */
  async resolve(op: Op): Promise<{ commit: string; ref: string }> {
    const { ref } = this.#source
    if (isCommit(ref)) return { commit: ref.toLowerCase(), ref: '' }
    const { stdout } = await this.run(op, ['ls-remote', ...refQuery('source', ref)])
    const found = findRef(stdout, ref)
    if (found) return found
    throw this.#error(
      'not-found',
      ref === '' ? 'repository has no default branch' : `repository does not contain ref ${ref}`,
    )
  }

  /** Gets a commit, alone if the server gives it alone. */
  async fetch(op: Op, o: { commit: string; ref: string }): Promise<void> {
    const common = ['fetch', '--quiet', '--no-tags', '--force']
    const attempts = [
      [...common, '--depth=1', 'source', o.commit],
      ...(o.ref === '' ? [] : [[...common, '--depth=1', 'source', o.ref]]),
      [...common, 'source', '+refs/*:refs/fetched/*'],
    ]
    let failure: EngineError | undefined
    for (const attempt of attempts) {
      try {
        await this.run(op, attempt)
        if (await this.#has(op, o.commit)) return
      } catch (error) {
        op.signal.throwIfAborted()
        if (!(error instanceof EngineError) || error.kind === 'unsupported') throw error
        failure ??= error
      }
    }
    if (failure) throw failure
    throw this.#error('not-found', `repository does not contain commit ${o.commit}`)
  }

  async #has(op: Op, commit: string): Promise<boolean> {
    const { code } = await this.run(op, ['cat-file', '-e', `${commit}^{commit}`], { okCodes: [0, 1, 128] })
    return code === 0
  }

  async run(
    op: Op,
    args: readonly string[],
    o: { okCodes?: readonly number[]; cwd?: string } = {},
  ): Promise<{ code: number; stdout: string }> {
    const secrets = secretsIn(this.#source.remote)
    try {
      const home = this.#env['HOME'] ?? '/'
      return await run(op, ['git', ...args], { env: this.#env, cwd: home, group: true, ...o })
    } catch (cause) {
      op.signal.throwIfAborted()
      if (!(cause instanceof EngineError) || cause.kind === 'unsupported') throw cause
      let text = messageOf(cause).replaceAll(this.#source.remote, shownUrl(this.#source.remote))
      for (const secret of secrets) text = text.replaceAll(secret, 'xxxxx')
      // Without the cause: its message may have a password.
      throw this.#error('unavailable', text)
    }
  }

  #error(kind: 'not-found' | 'unavailable', why: string): EngineError {
    return new EngineError(kind, `failed to load ${shownUrl(this.#source.remote)}: ${why}`)
  }
}

/** The names that git's transport reads; for plain HTTP it knows the small one alone. */
function proxyEnv({ http, https, no }: Proxies): Record<string, string> {
  return {
    ...(http !== '' && { http_proxy: http }),
    ...(https !== '' && { https_proxy: https }),
    ...(no !== '' && { no_proxy: no }),
  }
}

function configuration(source: GitSource, access: GitAccess): Record<string, string> {
  const settings: [string, string][] = [
    ['remote.source.url', source.remote],
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['core.autocrlf', 'false'],
    ['core.sharedRepository', 'umask'],
    ['gc.auto', '0'],
    ['maintenance.auto', 'false'],
    ['advice.detachedHead', 'false'],
    ['init.defaultBranch', 'main'],
    ['init.templateDir', ''],
    ['safe.directory', '*'],
    ['fetch.recurseSubmodules', 'false'],
    ['http.lowSpeedLimit', '1'],
    ['http.lowSpeedTime', '60'],
    ['protocol.version', '2'],
  ]
  if (access.authorization !== undefined && /^https?$/.test(source.protocol)) {
    const { origin } = new URL(source.remote)
    settings.push([`http.${origin}/.extraHeader`, `Authorization: ${access.authorization}`])
  }
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(settings.length) }
  for (const [index, [key, value]] of settings.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key
    env[`GIT_CONFIG_VALUE_${index}`] = value
  }
  return env
}

/** What git may have quoted of an URL. */
function secretsIn(remote: string): string[] {
  if (!/^[a-z]+:\/\//i.test(remote)) return []
  const { username, password } = new URL(remote)
  const secrets = password !== '' ? [password] : /^https?:/i.test(remote) ? [username] : []
  return secrets.flatMap((text) => [text, decodeURIComponent(text)]).filter((text) => text !== '')
}

/** The repository's address as a checkout may keep it. */
export function withoutPassword(remote: string): string {
  if (!/^[a-z]+:\/\//i.test(remote)) return remote
  const url = new URL(remote)
  url.password = ''
  if (/^https?:/i.test(remote)) url.username = ''
  return url.href
}
