import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RootDir } from '../../host/root-dir.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import type { Op } from '../../lib/op.ts'
import { openAgent } from '../exec/agent.ts'
import type { Tools } from '../exec/tools.ts'
import { inSpace, makeLayer, type StepSpace } from '../exec/workspace.ts'
import type { Tree } from '../graph/tree.ts'
import type { GitStep } from '../graph/works.ts'
import { cacheKey, type Io, type Work } from '../solver/vertex.ts'
import { Git, withoutPassword, type GitAccess } from './git.ts'
import { shownUrl } from '../../lib/git-url.ts'
import { assertOnline } from './web.ts'

interface Wanted {
  readonly commit: string
  /** Full name of a branch or tag; empty for a bare commit. */
  readonly ref: string
}

/** A checkout of a repository as a tree, found again by its commit. */
export function gitWork(tools: Tools, step: GitStep): Work<Tree> {
  const { source } = step
  let wanted: Wanted | undefined
  const key = async (op: Op, _inputs: readonly Tree[], io: Io) => {
    wanted ??= await resolve(op, tools, step)
    io.log(1, `${wanted.commit}\t${wanted.ref || source.ref}\n`)
    return cacheKey({
      op: 'git',
      url: shownUrl(source.remote),
      commit: wanted.commit,
      subdir: source.subdir,
      submodules: source.submodules,
      // The repository itself tells what it was asked for.
      ...(step.keepGitDir && { ref: wanted.ref, keepGitDir: true }),
    })
  }
  return {
    keys: [key],
    run: async (op) => {
      const found = wanted ?? (await resolve(op, tools, step))
      return { result: await checkout(op, tools, { step, wanted: found }), cacheable: true }
    },
  }
}

async function resolve(op: Op, tools: Tools, step: GitStep): Promise<Wanted> {
  const wanted = await withHome(op, tools, step, ({ git }) => git({}).resolve(op))
  const { checksum } = step
  if (checksum !== undefined && !wanted.commit.startsWith(checksum))
    throw new EngineError('invalid', `expected checksum to match ${checksum}, got ${wanted.commit}`)
  return wanted
}

interface Home {
  /** A directory of this work's own, gone with it. */
  readonly path: string
  readonly git: (o: { dir?: string; tree?: string }) => Git
}

async function withHome<T>(
  op: Op,
  tools: Tools,
  step: GitStep,
  work: (home: Home) => Promise<T>,
): Promise<T> {
  assertOnline(tools.web, shownUrl(step.source.remote))
  await using undo = new AsyncDisposableStack()
  const path = await mkdtemp(join(tools.web.spool, 'g'))
  undo.defer(() => tools.web.drop(op, path))
  const { source } = step
  const ssh = tools.ssh
  const agent =
    source.protocol === 'ssh' && ssh?.has('default')
      ? await openAgent(op, { dir: await ownDirectory(op, tools, undo), name: 'a', ssh, id: 'default', undo })
      : undefined
  const authorization = await authorizationFor(op, tools, step)
  const access: GitAccess = {
    knownHosts: tools.web.knownHosts,
    proxies: tools.web.proxies,
    ...(agent !== undefined && { agent }),
    ...(authorization !== undefined && { authorization }),
  }
  return await work({ path, git: (o) => new Git(source, access, { home: path, ...o }) })
}

/** Beside those of steps: what a killed daemon leaves there goes at the next start. */
async function ownDirectory(op: Op, tools: Tools, undo: AsyncDisposableStack): Promise<string> {
  const path = join(tools.runDir, `b${newId().slice(0, 12)}`)
  undo.defer(() => tools.web.drop(op, path))
  await mkdir(path, { mode: 0o700 })
  return path
}

/** BuildKit: secrets with these names, for one host or for all. */
async function authorizationFor(op: Op, tools: Tools, { source }: GitStep): Promise<string | undefined> {
  if (source.protocol !== 'https' && source.protocol !== 'http') return undefined
  const { host, username } = new URL(source.remote)
  if (username !== '') return undefined
  const secret = async (name: string) => {
    const value = (await tools.secrets.get(op, `${name}.${host}`)) ?? (await tools.secrets.get(op, name))
    const text = value && Buffer.from(value).toString().trim()
    if (text !== undefined && /[\0\r\n]/.test(text))
      throw new EngineError('invalid', `secret ${name} has more than one line: it is no header`)
    return text
  }
  const header = await secret('GIT_AUTH_HEADER')
  if (header !== undefined) return header
  const token = await secret('GIT_AUTH_TOKEN')
  return token === undefined
    ? undefined
    : `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`
}

async function checkout(op: Op, tools: Tools, o: { step: GitStep; wanted: Wanted }): Promise<Tree> {
  const { source } = o.step
  return await withHome(op, tools, o.step, async (home) => {
    const into = (space: StepSpace) => checkoutInto(op, o, { home, space })
    if (source.subdir === '.') return await makeLayer(op, tools, { layers: [], change: into })
    return await inSpace(op, tools, {
      layers: [],
      work: async (whole) => {
        await into(whole)
        return await makeLayer(op, tools, {
          layers: [],
          change: (space) => copySubdir(op, tools, { step: o.step, whole, space }),
        })
      },
    })
  })
}

async function checkoutInto(
  op: Op,
  o: { step: GitStep; wanted: Wanted },
  { home, space }: { home: Home; space: StepSpace },
): Promise<void> {
  const { step, wanted } = o
  const tree = space.root
  const keep = step.keepGitDir && step.source.subdir === '.'
  const dir = keep ? join(tree, '.git') : join(home.path, 'repository')
  const git = home.git({ dir, tree })
  await mkdir(dir)
  await git.run(op, ['init', '--quiet'])
  await git.fetch(op, wanted)
  await git.run(op, ['checkout', '--quiet', '--force', '--detach', wanted.commit])
  if (step.source.submodules && isFile(join(tree, '.gitmodules'))) {
    // Relative addresses of submodules are relative to that of the remote `origin`.
    await git.run(op, ['config', 'remote.origin.url', withoutPassword(step.source.remote)])
    await git.run(op, ['submodule', '--quiet', 'update', '--init', '--recursive', '--depth=1'], { cwd: tree })
    if (!keep) removeGitFiles(tree)
  }
  if (keep) await dress(op, git, { step, wanted, dir })
}

/** What people and build scripts look for in a repository: where it comes from, its branch or tag. */
async function dress(op: Op, git: Git, o: { step: GitStep; wanted: Wanted; dir: string }): Promise<void> {
  const { commit, ref } = o.wanted
  await git.run(op, ['config', 'remote.origin.url', withoutPassword(o.step.source.remote)])
  await git.run(op, ['config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*'])
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1]
  if (branch !== undefined) {
    await git.run(op, ['update-ref', `refs/remotes/origin/${branch}`, commit])
    await git.run(op, ['update-ref', ref, commit])
    await git.run(op, ['symbolic-ref', 'HEAD', ref])
  } else if (ref.startsWith('refs/tags/')) await git.run(op, ['update-ref', ref, commit])
  await git.run(op, ['reflog', 'expire', '--all', '--expire=now'])
  for (const file of ['FETCH_HEAD', 'ORIG_HEAD']) await rm(join(o.dir, file), { force: true })
}

async function copySubdir(
  op: Op,
  tools: Tools,
  o: { step: GitStep; whole: StepSpace; space: StepSpace },
): Promise<void> {
  const { subdir } = o.step.source
  if (!isDirectory(o.whole.root, subdir))
    throw new EngineError(
      'not-found',
      `invalid subdir ${JSON.stringify(subdir)}: it is no directory of the repository`,
    )
  await tools.snapshots.copyInto(op, {
    workspace: o.space.id,
    from: { dir: o.whole.root },
    entries: [{ source: subdir, target: '/' }],
  })
}

function isDirectory(rootPath: string, path: string): boolean {
  using root = RootDir.open(rootPath)
  try {
    return root.stat(path).kind === 'directory'
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false
    throw error
  }
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** Git itself never checks out a file of that name: these lead to what is gone. */
function removeGitFiles(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.name === '.git') rmSync(path, { recursive: true, force: true })
    else if (entry.isDirectory()) removeGitFiles(path)
  }
}
