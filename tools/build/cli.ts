/**
 * Puts the command line's modules into few files: `dist/cli/main.cjs`, which bin/gantry prefers, has what every command
 * needs, and one more file each what a command needs besides. Loading a module costs half a millisecond, and text that is
 * read for nothing costs as well: `gantry ps` takes two files of 100 kB, not 60 modules, nor one file of 1 MB.
 *
 * esbuild cuts the modules into chunks, so that each exists once; here chunks are put together into files. The chunks of
 * a file are functions in a table, made into modules when they are first asked for. A chunk may stand in several files:
 * it is the same function everywhere, and becomes a module once.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { build, transform, type Metafile, type Plugin } from 'esbuild'
import { writeFileAtomic } from '../../src/lib/atomic-file.ts'
import { isFresh, reachable, root, stamps, type Import } from './sources.ts'

const entry = 'src/cli/main.ts'
const main = 'main.cjs'
/** A chunk of this size has a file of its own: smaller ones stand in each file whose modules import them. */
const large = 16 * 1024
/** Files of an earlier bundle stay this long: a command that runs may be about to load one. */
const keep = 24 * 60 * 60 * 1000

interface Chunk {
  readonly id: string
  readonly code: string
  /** Ids of the chunks it imports, and of those that it loads when it comes to that. */
  readonly imports: readonly string[]
  readonly loads: readonly string[]
  /** Of the chunk that a module is loaded as: that module. */
  readonly module: string | undefined
}

/** Modules go on seeing their own place, where they look for package.json and gantryd. */
const places: Plugin = {
  name: 'import.meta.url',
  setup: (b) =>
    b.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        `('file://' + __root + ${JSON.stringify(relative(root, path))})`,
      ),
    })),
}

/** The command tables load one command of many: what the others are made of does not matter to it. */
const loadsCommand = (importer: string, { kind }: Import) =>
  kind === 'dynamic-import' && /^src\/cli\/(?:\w+-)?table\.ts$/.test(importer)

/** Names of the files and their texts; `main.cjs` is the one to run. */
export async function bundleCli(): Promise<Map<string, string>> {
  const { chunks, inputs } = await cut()
  const closure = (id: string, found = new Set<string>()) => {
    if (found.has(id)) return found
    found.add(id)
    chunks.get(id)?.imports.forEach((imported) => closure(imported, found))
    return found
  }
  const start = closure('./main.js')
  const sourcesOf = (module: string) => reachable(inputs, [module], (...one) => !loadsCommand(...one))
  const always = sourcesOf(entry)
  const commands = new Set(
    Object.entries(inputs).flatMap(([id, { imports }]) =>
      imports.filter((imported) => loadsCommand(id, imported)).map(({ path }) => path),
    ),
  )
  const loaded = new Set([...chunks.values()].flatMap(({ loads }) => loads))
  const files = new Map<string, string>()
  for (const { id, code, module } of chunks.values()) {
    const separate = loaded.has(id) || code.length >= large
    if (start.has(id) || !separate) continue
    const inside = [...closure(id)].filter(
      (other) => other === id || !(start.has(other) || (chunks.get(other)?.code.length ?? 0) >= large),
    )
    let text = `'use strict'\nexports.chunks = ${table(inside, chunks)}\n`
    if (module !== undefined && commands.has(module))
      text += `exports.sources = ${stamps(sourcesOf(module).difference(always))}\n`
    files.set(`${basename(id, '.js')}.cjs`, text)
  }
  return files.set(main, mainText(table(start, chunks), stamps(always)))
}

/** The chunks that esbuild makes, as scripts. */
async function cut(): Promise<{ chunks: Map<string, Chunk>; inputs: Metafile['inputs'] }> {
  const options = {
    platform: 'node',
    target: 'node26',
    // Names are left as they are, for stack traces. Text of one byte a character is read faster than any other.
    minifyWhitespace: true,
    minifySyntax: true,
    charset: 'ascii',
    logLevel: 'silent',
  } as const
  const { metafile, outputFiles } = await build({
    ...options,
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir: 'dist/cli',
    // Native modules stay where they are.
    external: ['bcrypt', 'koffi'],
    plugins: [places],
    metafile: true,
    write: false,
  })
  const idOf = (path: string) => `./${basename(path)}`
  const chunks = new Map<string, Chunk>()
  const scripts = await Promise.all(
    outputFiles.map(async ({ path, text }) => {
      const { code } = await transform(text, { ...options, format: 'cjs' })
      return { path, code }
    }),
  )
  for (const { path, code } of scripts) {
    const { imports, entryPoint } = metafile.outputs[relative(root, path)]!
    const idsOf = (kind: Import['kind']) =>
      imports.filter((one) => one.kind === kind && !one.external).map((one) => idOf(one.path))
    chunks.set(idOf(path), {
      id: idOf(path),
      code: code
        .replaceAll(/\bimport\((?="\.\/[\w-]+\.js"\))/g, '__load(')
        .replaceAll(/\b(import_\w+=)require\((?="node:(?!fs"|path"))/g, '$1__onUse('),
      imports: idsOf('import-statement'),
      loads: idsOf('dynamic-import'),
      module: entryPoint,
    })
  }
  return { chunks, inputs: metafile.inputs }
}

/**
 * Modules have names such as `load` themselves: what they are given besides is spelled as none of them is.
 * Parentheses around a function tell V8 to compile it with the rest.
 */
function table(ids: Iterable<string>, chunks: ReadonlyMap<string, Chunk>): string {
  const entries = Array.from(
    ids,
    (id) =>
      `${JSON.stringify(id)}: (function (require, module, exports, __load, __onUse, __root) {${chunks.get(id)?.code}})`,
  )
  return `{\n${entries.join(',\n')}\n}`
}

const mainText = (chunks: string, sources: string) => `'use strict'
const root = __dirname + '/../../'
const { existsSync, statSync } = require('node:fs')
${isFresh}
const chunks = ${chunks}
const modules = Object.create(null)
function get(id) {
  if (!id.startsWith('./')) return require(id)
  const known = modules[id]
  if (known) return known.exports
  const make = chunks[id]
  if (!make) return fetch(id), get(id)
  const module = (modules[id] = { exports: {} })
  make(get, module, module.exports, start.has(id) ? loadFresh : load, onUse, root)
  return module.exports
}
const start = new Set(Object.keys(chunks))
const sources = Object.create(null)
function fetch(id) {
  const file = require(__dirname + id.slice(1, -3) + '.cjs')
  Object.assign(chunks, file.chunks)
  sources[id] = file.sources
}
// A module of Node is loaded with the first function of it that is called: node:crypto takes 8 ms, and few commands call any.
const onUse = (id) => new Proxy({}, { get: (_, name) => require(id)[name] })
const load = async (id) => get(id)
// What the command table loads is looked at with all that it can come to load, before it has done anything: a command never
// begins here and ends in the sources.
async function loadFresh(id) {
  if (!chunks[id]) fetch(id)
  return isFresh(sources[id] ?? []) ? get(id) : fromSources()
}
// To the end: nothing of what waits here goes on.
function fromSources() {
  import(root + ${JSON.stringify(entry)})
  return new Promise(() => {})
}
if (isFresh(${sources})) get('./main.js')
else fromSources()
`

/** Writes the bundle into the directory `to`. */
export async function writeCli(to: string): Promise<void> {
  const files = await bundleCli()
  mkdirSync(to, { recursive: true })
  // main.cjs comes last, when all that it loads is there.
  const write = (name: string, text: string) => writeFileAtomic(join(to, name), text)
  await Promise.all([...files].filter(([name]) => name !== main).map((file) => write(...file)))
  await write(main, files.get(main) ?? '')
  for (const name of readdirSync(to)) {
    const old = Date.now() - statSync(join(to, name)).mtimeMs > keep
    if (old && !files.has(name)) rmSync(join(to, name))
  }
}
