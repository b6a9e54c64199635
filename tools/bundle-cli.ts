/**
 * Puts the command line's modules into one file, `node_modules/.cache/gantry/cli.cjs`, which bin/gantry prefers: loading
 * some 22 modules costs a command 12 ms, one file costs almost none. The file knows the size and time of each of its
 * sources and steps aside for the sources themselves as soon as one has changed: it can be missing or old, never wrong.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { writeFileAtomic } from '../src/lib/atomic-file.ts'

const root = resolve(import.meta.dirname, '..')
const entry = 'src/cli/main.ts'

/** Modules go on seeing their own place, where they look for package.json and gantryd. */
const places: Plugin = {
  name: 'import.meta.url',
  setup: (b) =>
    b.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        `('file://' + root + ${JSON.stringify(relative(root, path))})`,
      ),
    })),
}

/** The bundle's text. */
export async function bundle(): Promise<string> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    // Native modules stay where they are; the rest is cheaper to load as one file than as dozens.
    external: ['bcrypt', 'koffi'],
    plugins: [places],
    metafile: true,
    write: false,
    logLevel: 'silent',
  })
  const code = outputFiles[0]?.text
  if (code === undefined) throw new Error('esbuild gave no output')
  const sources = Object.keys(metafile.inputs).map((id) => {
    const { size, mtimeMs } = statSync(join(root, id))
    return [id, size, mtimeMs] as const
  })
  return `'use strict'
const root = __dirname + '/../../../'
const { statSync } = require('node:fs')
const fresh = ${JSON.stringify(sources)}.every(([id, size, mtimeMs]) => {
  const now = statSync(root + id, { throwIfNoEntry: false })
  return now !== undefined && now.size === size && now.mtimeMs === mtimeMs
})
if (fresh) (() => {
${code}
})()
else import(root + ${JSON.stringify(entry)})
`
}

if (import.meta.main) {
  const target = join(root, 'node_modules/.cache/gantry/cli.cjs')
  mkdirSync(dirname(target), { recursive: true })
  await writeFileAtomic(target, await bundle())
}
