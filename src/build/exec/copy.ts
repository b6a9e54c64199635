import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Op } from '../../lib/op.ts'
import { digestOf } from '../../lib/digest.ts'
import { resolveUser } from '../../runtime/index.ts'
import type { CopyEntry, Linked, Owner } from '../../snapshot/index.ts'
import type { Tree } from '../graph/tree.ts'
import type { CopyStep } from '../graph/works.ts'
import { cacheKey, type Io, type Json, type Work } from '../solver/vertex.ts'
import { earlierFiles, type EarlierFiles, type Part } from './earlier-files.ts'
import { manifestOf } from './manifest.ts'
import { originsOf, pick, scanOrigin, type Origin, type Picked } from './origins.ts'
import { directoryEntry, Placement } from './placement.ts'
import type { Tools } from './tools.ts'
import { makeLayer, openSpace, type StepSpace } from './workspace.ts'

/** COPY and ADD: the key is what is copied, not where it comes from. */
export function copyWork(tools: Tools, step: CopyStep): Work<Tree> {
  const baseOf = (inputs: readonly Tree[]) => (step.onBase ? inputs[0] : undefined)
  const definition = (base: Tree | undefined): Record<string, Json> => ({
    op: 'copy',
    base: base?.layers ?? [],
    target: step.target,
    chown: step.chown ?? null,
    mode: typeof step.mode === 'object' ? step.mode.map((each) => ({ ...each })) : (step.mode ?? null),
    ...(step.sources.some((source) => source.extract) && { extract: step.sources.map((s) => s.extract) }),
    ...(step.link && { link: true }),
    ...(step.parents && { parents: true }),
    ...(step.excludes.length > 0 && { excludes: step.excludes }),
    inline: step.inline.map((file) => ({ ...file })),
  })
  const byContent = async (op: Op, inputs: readonly Tree[], io: Io) => {
    const texts: string[] = []
    for (const origin of originsOf(step, inputs)) {
      const picked = pick(step, { origin, scan: await scanOrigin(op, tools, origin), io })
      texts.push(manifestText(step, origin, picked))
    }
    const text = texts.join('\n')
    const manifest = { text, digest: digestOf(text) }
    return { ...cacheKey({ ...definition(baseOf(inputs)), files: manifest.digest }), manifest }
  }
  // Equal source layers need not be mounted and read to know that they are equal.
  const bySource = (_op: Op, inputs: readonly Tree[]) => {
    const from = originsOf(step, inputs).map(({ tree, sources }) => ({
      layers: tree.layers,
      sources: sources.map((source) => source.pattern),
    }))
    return Promise.resolve(cacheKey({ ...definition(baseOf(inputs)), from }))
  }
  const known = step.sources.length > 0 && step.sources.every((source) => source.from === 'tree')
  return {
    keys: known ? [bySource, byContent] : [byContent],
    run: async (op, inputs, io) => {
      const base = baseOf(inputs)
      await using undo = new AsyncDisposableStack()
      const places: { origin: Origin; directory: string }[] = []
      for (const origin of originsOf(step, inputs)) {
        const { tree } = origin
        const directory =
          tree.context?.root ?? (await openSpace(op, tools, { layers: tree.layers, undo })).root
        places.push({ origin, directory })
      }
      let earlier: EarlierFiles | undefined
      let left: Linked = { linked: [] }
      let checks: Promise<boolean[]> = Promise.resolve([])
      const result = await makeLayer(op, tools, {
        layers: base?.layers ?? [],
        change: async (space) => {
          const parts: Part[] = []
          for (const { origin, directory } of places) {
            const scan = await scanOrigin(op, tools, origin, directory)
            parts.push({ origin, directory, picked: pick(step, { origin, scan, io }) })
          }
          earlier = earlierFiles(tools, { step, parts, definition: definition(undefined) })
          left = await copyInto(op, tools, { step, space, parts, earlier })
        },
        finish: async (space) => {
          // Nothing is read from there any more; while the layer is hashed there is time to look again.
          checks = Promise.all(places.map(({ origin }) => hasChanged(op, step, origin)))
          checks.catch(() => undefined)
          if (!earlier || left.linked.length === 0) return
          const { layer } = earlier
          await tools.snapshots.linkEarlier(op, { workspace: space.id, layer, files: left })
        },
      })
      const cacheable = !(await checks).includes(true)
      if (!cacheable) io.log(2, 'build context changed while it was copied: this step is not cached\n')
      return { result, cacheable }
    },
  }
}

/** Files of a context belong to root in the image; those of a stage or an image keep their owners. */
function manifestText(step: CopyStep, origin: Origin, picked: readonly Picked[]): string {
  const owners = origin.from === 'tree' && step.chown === undefined
  return manifestOf(
    picked.map(({ selection }) => selection),
    { owners },
  ).text
}

/** A context is no snapshot: what people changed since it was read may or may not have been copied. */
async function hasChanged(op: Op, step: CopyStep, origin: Origin): Promise<boolean> {
  const { context } = origin.tree
  if (!context) return false
  const wanted = origin.sources.map((source) => source.pattern)
  const [before, after] = [context.scan, await context.rescan(op.signal, wanted)].map((scan) =>
    manifestText(step, origin, pick(step, { origin, scan })),
  )
  return before !== after
}

async function copyInto(
  op: Op,
  tools: Tools,
  o: { step: CopyStep; space: StepSpace; parts: readonly Part[]; earlier: EarlierFiles | undefined },
): Promise<Linked> {
  const { step, space, parts, earlier } = o
  let left: Linked = { linked: [] }
  const asked = step.chown === undefined ? undefined : ownerOf(step.chown, space.root)
  const place = new Placement(step, space.root, asked)
  const mode = step.mode !== undefined && { mode: step.mode }
  const several = parts.reduce((sum, { picked }) => sum + picked.length, step.inline.length) > 1
  for (const { origin, directory, picked } of parts) {
    const owner = asked ?? (origin.from === 'context' ? { uid: 0, gid: 0 } : undefined)
    const common = { workspace: space.id, from: { dir: directory } }
    const { times } = tools
    const mtime = origin.from === 'context' && times?.exact ? { mtime: times.epoch } : {}
    let entries: CopyEntry[] = []
    const flush = async () => {
      if (entries.length > 0) {
        const done = await tools.snapshots.copyInto(op, {
          ...common,
          entries,
          ...(owner && { chown: owner }),
          ...mode,
          ...mtime,
          ...(earlier && { earlier }),
        })
        // No more than one copy has something to be linked.
        if (done.linked.length > 0) left = done
      }
      entries = []
    }
    for (const { selection, extract } of picked) {
      const { path, root } = selection
      if (step.parents) {
        entries.push(directoryEntry(selection, place.directory()))
        continue
      }
      if (root.type === 'd') {
        entries.push(directoryEntry(selection, place.directory()))
        continue
      }
      if (extract && root.type === 'f') {
        await flush()
        if (step.target.endsWith('/')) place.directory()
        // BuildKit: an archive's files keep their owners and modes, whatever --chown and --chmod say.
        const archive = { ...common, archive: path, target: step.target }
        if (await tools.snapshots.extractInto(op, archive)) continue
      }
      entries.push({ source: path, target: place.file(selection.name, several) })
    }
    await flush()
  }
  if (step.inline.length === 0) return left
  const inline = join(space.scratch, 'inline')
  await mkdir(inline)
  const files = step.inline.map((file, index) => ({ ...file, source: String(index) }))
  for (const file of files) await writeFile(join(inline, file.source), file.data, { mode: 0o644 })
  await tools.snapshots.copyInto(op, {
    workspace: space.id,
    chown: asked ?? { uid: 0, gid: 0 },
    from: { dir: inline },
    entries: files.map((file) => ({ source: file.source, target: place.file(file.name, several) })),
    ...mode,
  })
  return left
}

/** `--chown=USER[:GROUP]`, names looked up in the tree that is copied to; a bare number is both, `USER:` is group 0 (Docker). */
function ownerOf(chown: string, root: string): Owner {
  const spec = /^\d+$/.test(chown) ? `${chown}:${chown}` : chown.replace(/:$/, ':0')
  const { uid, gid } = resolveUser(root, spec)
  return { uid, gid }
}
