/**
 * Holds every import in `src` to the folder layers, type-only and dynamic ones and worker URLs too.
 * Run alone it prints the violations and fails; `tools/check.ts` calls `checkTree()`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/**
 * A row may import the rows above it, never its neighbours. The two sides meet only in lib, wire and registry: both are clients of
 * registries.
 */
export const daemonSide: string[][] = [
  ['lib'],
  ['wire', 'host'],
  ['store'],
  ['content', 'snapshot', 'registry', 'runtime', 'network', 'volume'],
  ['image', 'distribution'],
  ['container'],
  ['build'],
  ['engine'],
  ['api'],
  ['daemon'],
]
export const clientSide: string[][] = [['lib'], ['wire'], ['client', 'registry'], ['compose'], ['cli']]

/** Folders without an index: their files are imported one by one. All others are entered by their index.ts. */
const byFile = new Set(['lib', 'wire', 'host'])
/** Parts with an index of their own: who serves a registry alone loads no engine. */
const byPart = new Set(['api/registry/index.ts'])
const known = new Set([...daemonSide, ...clientSide].flat())
/** What a source file may read outside `src`: data shipped with the package. */
const shipped = /^(\.\.\/)(data\/|package\.json$)/

export interface Violation {
  readonly file: string
  readonly line: number
  readonly reason: string
}

interface Import {
  readonly target: string
  readonly line: number
}

const importForms = [
  /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm, // import … from, export … from, also type-only
  /^[ \t]*import\s*['"]([^'"]+)['"]/gm, // for side effects
  /\bimport\(\s*['"]([^'"]+)['"]/g, // dynamic, and import('…').Type
  /\bnew URL\(\s*['"](\.[^'"]+\.[tj]s)['"],\s*import\.meta\.url/g, // workers
  /\brequire\(\s*['"]([^'"]+)['"]/g,
]

/** Every module that a source text names, in order of appearance for each form. Comment lines are left out. */
export function importsOf(source: string): Import[] {
  const text = source.replace(/^[ \t]*(?:\*|\/\/).*$/gm, (line) => ' '.repeat(line.length))
  return importForms.flatMap((form) =>
    [...text.matchAll(form)].map((match) => ({
      target: match[1] ?? '',
      line: text.slice(0, match.index + match[0].lastIndexOf(match[1] ?? '')).split('\n').length,
    })),
  )
}

/** Why `file` (a path inside `src`, such as `image/load.ts`) may not import `target` as written; undefined when it may. */
export function violation(file: string, target: string): string | undefined {
  const from = file.split('/')[0] ?? ''
  if (!known.has(from)) return `folder src/${from} has no row in tools/layers.ts`
  if (target === 'koffi' && from !== 'host') return 'only src/host may use koffi: it alone touches the kernel'
  if (!target.startsWith('.')) return undefined
  const path = normalize(join(dirname(file), target))
  if (path.startsWith('..'))
    return shipped.test(path)
      ? undefined
      : `${target} leaves src: only data/ and package.json may be read there`
  if (!/\.(ts|json)$/.test(path)) return `${target}: imports end in .ts`
  const to = path.split('/')[0] ?? ''
  if (to === from) return undefined
  if (!known.has(to)) return `folder src/${to} has no row in tools/layers.ts`
  if (!allowed(from, to)) return `src/${from} may not import src/${to} (rows import only the rows above)`
  if (byFile.has(to)) {
    if (path === `${to}/index.ts`) return `src/${to} has no index.ts: import the file itself`
  } else if (path !== `${to}/index.ts` && !byPart.has(path))
    return `import src/${to}/index.ts, not a file inside src/${to}`
  return undefined
}

function allowed(from: string, to: string): boolean {
  return [daemonSide, clientSide].some((side) => {
    const importer = side.findIndex((row) => row.includes(from))
    const imported = side.findIndex((row) => row.includes(to))
    return importer !== -1 && imported !== -1 && imported < importer
  })
}

/** All violations below `<root>/src`. */
export function checkTree(root: string): Violation[] {
  const src = join(root, 'src')
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(src, join(entry.parentPath, entry.name)))
    .sort()
    .flatMap((file) =>
      importsOf(readFileSync(join(src, file), 'utf8')).flatMap(({ target, line }) => {
        const reason = violation(file, target)
        return reason === undefined ? [] : [{ file: `src/${file}`, line, reason }]
      }),
    )
}

if (import.meta.main) {
  const found = checkTree(dirname(import.meta.dirname))
  for (const { file, line, reason } of found) console.error(`${file}:${line}: ${reason}`)
  if (found.length > 0) process.exitCode = 1
}
