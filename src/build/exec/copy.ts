import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { RootDir } from '../../host/root-dir.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { cleanPath, hasWildcard } from '../../lib/ignore.ts'
import { resolveUser } from '../../runtime/index.ts'
import type { CopyEntry } from '../../snapshot/index.ts'
import { splitBelow } from '../context/below.ts'
import type { Scan } from '../context/scan.ts'
import { excludePatterns } from '../dockerfile/excludes.ts'
import type { Tree } from '../graph/tree.ts'
import { MissingSource, type CopyStep } from '../graph/works.ts'
import { cacheKey, type Io, type Json, type Work } from '../solver/vertex.ts'
import { manifestOf, select, selectBelow, without, type Selection } from './manifest.ts'
import type { Tools } from './tools.ts'
import { inSpace, makeLayer, type StepSpace } from './workspace.ts'

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** COPY and ADD: the key is what is copied, not where it comes from. */
export function copyWork(tools: Tools, step: CopyStep): Work<Tree> {
  const split = (inputs: readonly Tree[]) => ({
    base: step.onBase ? inputs[0] : undefined,
    source: inputs[step.onBase ? 1 : 0],
  })
  const definition = (base: Tree | undefined): Record<string, Json> => ({
    op: step.extract ? 'add' : 'copy',
    base: base?.layers ?? [],
    target: step.target,
    chown: step.chown ?? null,
    mode: step.mode ?? null,
    ...(step.link && { link: true }),
    ...(step.parents && { parents: true }),
    ...(step.excludes.length > 0 && { excludes: step.excludes }),
    inline: step.inline.map((file) => ({ ...file })),
  })
  const byContent = async (op: Op, inputs: readonly Tree[], io: Io) => {
    const { base, source } = split(inputs)
    const scan = await scanOf(op, tools, { step, source })
    const selections = pick(step, scan, io)
    const manifest = manifestOf(selections, { owners: keepsOwners(step) })
    return { ...cacheKey({ ...definition(base), files: manifest.digest }), manifest }
  }
  // Equal source layers need not be mounted and read to know that they are equal.
  const bySource = (_op: Op, inputs: readonly Tree[]) => {
    const { base, source } = split(inputs)
    return Promise.resolve(
      cacheKey({ ...definition(base), sources: step.sources, from: source?.layers ?? [] }),
    )
  }
  return {
    keys: step.from === 'tree' && step.sources.length > 0 ? [bySource, byContent] : [byContent],
    run: async (op, inputs, io) => {
      const { base, source } = split(inputs)
      let cacheable = true
      const copyFrom = (directory: string) =>
        makeLayer(op, tools, {
          layers: base?.layers ?? [],
          change: async (space) => {
            const scan = await scanOf(op, tools, { step, source, directory })
            await copyInto(op, tools, { step, space, directory, selections: pick(step, scan, io) })
          },
        })
      if (step.from === 'tree' && source)
        return {
          result: await inSpace(op, tools, { layers: source.layers, work: ({ root }) => copyFrom(root) }),
          cacheable,
        }
      const result = await copyFrom(source?.context?.root ?? '/')
      if (source?.context && step.sources.length > 0) {
        const now = await source.context.rescan(op.signal, step.sources)
        const [before, after] = [source.context.scan, now].map(
          (scan) => manifestOf(pick(step, scan, undefined), { owners: false }).digest,
        )
        cacheable = before === after
        if (!cacheable) io.log(2, 'build context changed while it was copied: this step is not cached\n')
      }
      return { result, cacheable }
    },
  }
}

/** Files of the context belong to root in the image; those of a stage or an image keep their owners. */
const keepsOwners = (step: CopyStep): boolean => step.from === 'tree' && step.chown === undefined

async function scanOf(
  op: Op,
  tools: Tools,
  o: { step: CopyStep; source: Tree | undefined; directory?: string },
): Promise<Scan> {
  const { step, source } = o
  if (step.sources.length === 0) return { entries: [], sources: [] }
  if (step.from === 'context') {
    if (!source?.context) throw new Error('COPY from the context needs the context')
    return source.context.scan
  }
  const request = (root: string) => ({ root, wanted: step.sources, ignore: [] })
  if (o.directory !== undefined) return await tools.scanner.scan(op, request(o.directory))
  return await inSpace(op, tools, {
    layers: source?.layers ?? [],
    work: ({ root }) => tools.scanner.scan(op, request(root)),
  })
}

function pick(step: CopyStep, scan: Scan, io: Io | undefined): Selection[] {
  return without(found(step, scan, io), excludePatterns(step.excludes))
}

/** What the sources mean in this tree. Throws docker's text for one that is not there, with the reason where there is one. */
function found(step: CopyStep, scan: Scan, io: Io | undefined): Selection[] {
  return step.sources.flatMap((pattern) => {
    const source = scan.sources.find((candidate) => candidate.pattern === pattern)
    if (source && source.paths.length > 0)
      return step.parents ? selectBelow(scan, source) : select(scan, source)
    const shown = cleanPath(splitBelow(pattern).join('/'))
    const hidden = source?.ignoredBy
    if (hasWildcard(pattern)) {
      io?.log(
        2,
        `no file matches ${shown}${hidden ? ` (.dockerignore:${hidden.line} "${hidden.pattern}" keeps ${hidden.path} out)` : ''}\n`,
      )
      return []
    }
    const path = `/${shown.replace(/^\.?\/+/, '')}`
    const hint = hidden
      ? ` (it is there, but .dockerignore:${hidden.line} "${hidden.pattern}" keeps it out)`
      : ''
    throw new MissingSource(
      pattern,
      `failed to calculate checksum of ref: ${JSON.stringify(path)}: not found${hint}`,
    )
  })
}

async function copyInto(
  op: Op,
  tools: Tools,
  o: { step: CopyStep; space: StepSpace; directory: string; selections: readonly Selection[] },
): Promise<void> {
  const { step, space, directory, selections } = o
  const owner = ownerOf(step, space.root)
  const place = new Placement(step, space.root, owner)
  const entries: CopyEntry[] = []
  const common = {
    workspace: space.id,
    ...(owner && { chown: owner }),
    ...(step.mode !== undefined && { mode: step.mode }),
  }
  const several = selections.length + step.inline.length > 1
  for (const selection of selections) {
    const { path, root } = selection
    if (step.parents) {
      entries.push(...directoryEntries(selection, { target: place.directory().target, isNew: false }))
      continue
    }
    if (root.type === 'd') {
      entries.push(...directoryEntries(selection, place.directory()))
      continue
    }
    if (step.extract && root.type === 'f') {
      // An archive's files keep their owners and modes; only an owner that was asked for counts.
      const archive = { workspace: space.id, from: { dir: directory }, archive: path, target: step.target }
      const chown = step.chown !== undefined && owner ? { chown: owner } : {}
      if (await tools.snapshots.extractInto(op, { ...archive, ...chown })) continue
    }
    entries.push({ source: path, target: place.file(basename(path), several) })
  }
  if (entries.length > 0) await tools.snapshots.copyInto(op, { ...common, from: { dir: directory }, entries })
  if (step.inline.length === 0) return
  const inline = join(space.scratch, 'inline')
  await mkdir(inline)
  const files = step.inline.map((file, index) => ({ ...file, source: String(index) }))
  for (const file of files) await writeFile(join(inline, file.source), file.data, { mode: 0o644 })
  await tools.snapshots.copyInto(op, {
    ...common,
    chown: owner ?? { uid: 0, gid: 0 },
    from: { dir: inline },
    entries: files.map((file) => ({ source: file.source, target: place.file(file.name, several) })),
  })
}

/**
 * A directory's content. Where something in it is left out it is named piece by piece; directories come once more at
 * the end, innermost first, to get their times back.
 */
export function directoryEntries(selection: Selection, to: { target: string; isNew: boolean }): CopyEntry[] {
  const { path, below, complete } = selection
  if (complete) return [{ source: path, target: to.target }]
  const entry = (name: string): CopyEntry => ({
    source: path === '.' ? name : `${path}/${name}`,
    target: join(to.target, name),
    shallow: true,
  })
  const own: CopyEntry[] = to.isNew ? [{ source: path, target: to.target, shallow: true }] : []
  const directories = below.filter((e) => e.type === 'd').map((e) => entry(e.path))
  return [...own, ...below.map((e) => entry(e.path)), ...directories.toReversed(), ...own]
}

/** Decides where things go, and makes the directories they go to. */
class Placement {
  readonly #step: CopyStep
  readonly #rootPath: string
  readonly #owner: Owner | undefined

  constructor(step: CopyStep, rootPath: string, owner: Owner | undefined) {
    this.#step = step
    this.#rootPath = rootPath
    this.#owner = owner
  }

  /** Where a directory's content goes. A new target takes the directory's attributes, unless it is spelled with a slash. */
  directory(): { target: string; isNew: boolean } {
    const { target } = this.#step
    if (target.endsWith('/')) this.#mkdirAll(target)
    return { target, isNew: !this.#isDirectory(target) }
  }

  file(name: string, several: boolean): string {
    const { target } = this.#step
    if (!target.endsWith('/') && !several && !this.#isDirectory(target)) return target
    this.#mkdirAll(target)
    return join(target, name)
  }

  #isDirectory(path: string): boolean {
    using root = RootDir.open(this.#rootPath)
    try {
      return root.stat(path).kind === 'directory'
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false
      throw error
    }
  }

  #mkdirAll(path: string): void {
    using root = RootDir.open(this.#rootPath)
    try {
      const made = root.mkdirAll(path, 0o755)
      if (this.#owner && this.#step.chown !== undefined)
        for (const each of made) root.chown(each, this.#owner)
    } catch (cause) {
      if (!hasCode(cause, 'ENOTDIR', 'EEXIST')) throw cause
      throw new EngineError('invalid', `cannot copy to ${path}: a file on the way there is not a directory`, {
        cause,
      })
    }
  }
}

/** `--chown=USER[:GROUP]`, names looked up in the tree that is copied to; a bare number is both (Docker). */
function ownerOf(step: CopyStep, root: string): Owner | undefined {
  if (step.chown === undefined) return step.from === 'context' ? { uid: 0, gid: 0 } : undefined
  const spec = /^\d+$/.test(step.chown) ? `${step.chown}:${step.chown}` : step.chown
  const { uid, gid } = resolveUser(root, spec)
  return { uid, gid }
}
