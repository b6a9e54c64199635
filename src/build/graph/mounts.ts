import { posix } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import { cleanPath } from '../../lib/ignore.ts'
import type { Word } from '../dockerfile/instructions.ts'
import { parseMountFlag, type MountFlag } from '../dockerfile/mounts.ts'
import type { Range } from '../dockerfile/source.ts'
import type { Vertex } from '../solver/vertex.ts'
import { expandWord, fail, type Site } from './scope.ts'
import type { FileSource, Tree } from './tree.ts'
import type { RunMount } from './works.ts'

export interface MountPlan {
  readonly mounts: readonly RunMount[]
  /** What the mounts take from, in the order that `RunMount.input` counts. */
  readonly inputs: readonly Vertex<Tree>[]
  /** Sources that may be missing, and where they stand. */
  readonly words: ReadonlyMap<string, Range>
}

export interface MountScope {
  readonly site: Site
  readonly cwd: string
  readonly variables: ReadonlyMap<string, string>
  readonly context: FileSource
  /** A stage, an image or a named context; nothing when it has no files. */
  from(name: string, range: Range): Promise<FileSource | undefined>
  /** All of a context as a tree with layers. */
  whole(context: FileSource): Vertex<Tree>
}

/** `RUN --mount` flags → what the step mounts, and the vertices it takes them from. */
export async function planMounts(flags: readonly Word[], scope: MountScope): Promise<MountPlan> {
  const mounts: RunMount[] = []
  const inputs: Vertex<Tree>[] = []
  const words = new Map<string, Range>()
  const input = (vertex: Vertex<Tree>): number => {
    const known = inputs.indexOf(vertex)
    return known < 0 ? inputs.push(vertex) - 1 : known
  }
  for (const word of flags) {
    const flag = parse(word, scope)
    if (flag.type === 'secret') {
      mounts.push(secretOf(flag, word, scope))
      continue
    }
    if (flag.type === 'ssh') {
      const index = mounts.filter((mount) => mount.type === 'ssh').length
      mounts.push(sshOf(flag, word, { ...scope, index }))
      continue
    }
    const target = targetOf(flag, word, scope)
    const common = { target, readonly: flag.readonly }
    switch (flag.type) {
      case 'tmpfs':
        mounts.push({ type: 'tmpfs', ...common, ...(flag.size && { size: flag.size }) })
        break
      case 'bind': {
        const path = posix.join('/', flag.source)
        const source = literal(path)
        words.set(source, word.range)
        const files = flag.from === '' ? scope.context : await scope.from(flag.from, word.range)
        const from = files?.kind ?? 'tree'
        const taken = files?.take([source])
        mounts.push({ type: 'bind', ...common, from, source, path, ...(taken && { input: input(taken) }) })
        break
      }
      case 'cache': {
        const path = posix.join('/', flag.source)
        const source = literal(path)
        words.set(source, word.range)
        const files = flag.from === '' ? undefined : await scope.from(flag.from, word.range)
        const vertex = files && (files.kind === 'tree' ? files.take([source]) : scope.whole(files))
        const { mode, uid, gid } = flag
        mounts.push({
          type: 'cache',
          ...common,
          id: flag.id || cleanPath(flag.target),
          sharing: flag.sharing ?? 'shared',
          source,
          path,
          ...(vertex && { input: input(vertex) }),
          ...(mode !== undefined && { mode }),
          ...(uid !== undefined && { uid }),
          ...(gid !== undefined && { gid }),
        })
        break
      }
    }
  }
  return { mounts, inputs, words }
}

function parse(word: Word, scope: MountScope): MountFlag {
  const { site, variables } = scope
  try {
    return parseMountFlag(
      word.text,
      (value) => expandWord({ text: value, range: word.range }, variables, site).text,
    )
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'BuildError') throw cause
    throw fail(site, messageOf(cause), word.range)
  }
}

function secretOf(flag: MountFlag, word: Word, scope: MountScope): RunMount {
  const id = flag.id || flag.source || posix.basename(flag.target)
  const named = flag.target || (flag.env === undefined ? `/run/secrets/${posix.basename(id)}` : '')
  return {
    type: 'secret',
    id,
    ...(named !== '' && { target: targetOf({ ...flag, target: named }, word, scope) }),
    ...(flag.env !== undefined && { env: flag.env }),
    required: flag.required,
    mode: flag.mode ?? 0o400,
    uid: flag.uid ?? 0,
    gid: flag.gid ?? 0,
  }
}

function sshOf(flag: MountFlag, word: Word, scope: MountScope & { index: number }): RunMount {
  const target = flag.target || `/run/buildkit/ssh_agent.${scope.index}`
  return {
    type: 'ssh',
    id: flag.id || 'default',
    target: targetOf({ ...flag, target }, word, scope),
    required: flag.required,
    mode: flag.mode ?? 0o600,
    uid: flag.uid ?? 0,
    gid: flag.gid ?? 0,
  }
}

function targetOf(flag: MountFlag, word: Word, scope: MountScope): string {
  const target = posix.resolve('/', scope.cwd, flag.target)
  if (target === '/') throw fail(scope.site, `invalid mount target "/"`, word.range)
  return target
}

/** A path of the context is looked for as a pattern: here it means itself. */
function literal(path: string): string {
  return path === '/' ? '.' : path.slice(1).replace(/[*?[\]\\]/g, '\\$&')
}
