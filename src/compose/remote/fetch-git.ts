import { execFile } from 'node:child_process'
import { realpathSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { findRef, isCommit, refQuery, type FoundRef } from '../../lib/git-refs.ts'
import { abortReason } from '../../lib/op.ts'
import { parseGitSource, shownUrl, type GitSource } from '../../lib/git-url.ts'
import { mainNames } from '../project-files.ts'
import { intoCache } from './cache.ts'

interface Options {
  readonly cache: string
  readonly environment: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

/** The Compose file that an address of a repository means, in a checkout of the cache by its commit. */
export async function fetchGit(address: string, o: Options): Promise<string> {
  const source = parseGitSource(address)
  const wanted = await resolve(source, o)
  if (source.checksum !== undefined && !wanted.commit.startsWith(source.checksum))
    throw new EngineError(
      'invalid',
      `${shownUrl(address)} is at commit ${wanted.commit}, not at ${source.checksum}`,
    )
  const folder = await intoCache(o.cache, wanted.commit, (into) => checkOut(source, wanted, { ...o, into }))
  return composeFile(folder, source)
}

async function resolve(source: GitSource, o: Options): Promise<FoundRef> {
  const { ref, remote } = source
  if (isCommit(ref)) return { commit: ref.toLowerCase(), ref: '' }
  const found = findRef(await git(source, ['ls-remote', ...refQuery('source', ref)], o), ref)
  if (found) return found
  throw new EngineError('not-found', `repository ${shownUrl(remote)} does not contain ref ${ref || 'HEAD'}`)
}

async function checkOut(
  source: GitSource,
  { commit, ref }: FoundRef,
  o: Options & { into: string },
): Promise<void> {
  await mkdir(o.into, { mode: 0o700 })
  const run = (...args: string[]) => git(source, ['-C', o.into, ...args], o)
  await run('init', '--quiet')
  const fetch = (...wanted: string[]) => run('fetch', '--quiet', '--no-tags', ...wanted)
  try {
    await fetch('--depth=1', 'source', commit)
  } catch (error) {
    // Some servers give nothing but refs.
    o.signal.throwIfAborted()
    if (!(error instanceof EngineError) || error.kind !== 'unavailable') throw error
    await (ref === '' ? fetch('source', '+refs/*:refs/fetched/*') : fetch('--depth=1', 'source', ref))
  }
  await run('checkout', '--quiet', '--detach', commit)
}

/** The one that the address names, or the first of the folder's that has one of the usual names. */
function composeFile(folder: string, { subdir, remote }: GitSource): string {
  const path = join(folder, subdir)
  const kind = statSync(path, { throwIfNoEntry: false })
  if (!kind) throw new EngineError('not-found', `${shownUrl(remote)} has no ${subdir}`)
  const candidates = kind.isDirectory() ? mainNames.map((name) => join(path, name)) : [path]
  const found = candidates.find((each) => statSync(each, { throwIfNoEntry: false })?.isFile())
  if (found === undefined)
    throw new EngineError(
      'not-found',
      `${shownUrl(remote)} has no Compose file in ${subdir === '.' ? 'its root' : subdir}`,
    )
  // A link of the repository may lead anywhere on this host.
  if (realpathSync(found).startsWith(realpathSync(folder) + sep)) return found
  throw new EngineError('invalid', `${subdir} leads out of ${shownUrl(remote)}: refused`)
}

/** With the user's own settings and credentials, but asking nobody, and without hooks. */
function git(source: GitSource, args: readonly string[], o: Options): Promise<string> {
  const { remote } = source
  const env = {
    GIT_TERMINAL_PROMPT: '0',
    ...(o.environment['GIT_SSH'] === undefined && {
      GIT_SSH_COMMAND: 'ssh -o ControlMaster=no -o BatchMode=yes',
    }),
    ...o.environment,
    // Of the repository that we may have been called in.
    GIT_DIR: undefined,
    GIT_WORK_TREE: undefined,
    GIT_INDEX_FILE: undefined,
    GIT_ALLOW_PROTOCOL: 'https:http:ssh:git',
    // Not among the arguments, which everybody sees: it may have a password.
    GIT_CONFIG_COUNT: '2',
    GIT_CONFIG_KEY_0: 'remote.source.url',
    GIT_CONFIG_VALUE_0: remote,
    GIT_CONFIG_KEY_1: 'core.hooksPath',
    GIT_CONFIG_VALUE_1: '/dev/null',
  }
  return new Promise((done, fail) => {
    execFile('git', args, { env, signal: o.signal, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (!error) return done(stdout)
      if (o.signal.aborted) return fail(abortReason(o.signal))
      if (hasCode(error, 'ENOENT')) return fail(new EngineError('unsupported', '`git` is not installed'))
      const text = stderr.replaceAll(remote, shownUrl(remote)).trim()
      // Without the cause: it may have the password.
      fail(new EngineError('unavailable', `failed to access repository at ${shownUrl(remote)}: ${text}`))
    })
  })
}
