/**
 * Puts the daemon's modules into one file for it and one for each of its threads, below `node_modules/.cache/gantry/daemon/`:
 * it takes 25 MB less than from some 600 modules, and 80 MB less at the first start, which has no types to strip.
 * `node_modules/.cache/gantry/gantryd.mjs`, which bin/gantryd prefers, knows the size and time of each of the sources and
 * takes the sources themselves as soon as one has changed: the bundle can be missing or old, never wrong.
 */
import { globSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { writeFileAtomic } from '../src/lib/atomic-file.ts'

const root = resolve(import.meta.dirname, '..')
const entry = 'src/daemon/main.ts'

/** Modules go on finding the files of their threads beside themselves, where the bundle has them as well. */
const places: Plugin = {
  name: 'import.meta',
  setup: (b) =>
    b.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const place = JSON.stringify(relative(root, path).replace(/\.ts$/, '.mjs'))
      return {
        loader: 'ts',
        contents: readFileSync(path, 'utf8')
          .replaceAll('import.meta.filename', place)
          .replaceAll('import.meta.url', `(bundlePlace + ${place})`),
      }
    }),
}

/** What packages ask for that are scripts, and where this bundle is. */
const banner = `import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
const bundlePlace = import.meta.url.slice(0, import.meta.url.lastIndexOf('/src/') + 1)`

/** Writes the bundle below `cache` and returns the file to run. */
export async function bundleDaemon(cache: string): Promise<string> {
  const program = join(cache, 'gantryd.mjs')
  // First away and last back: a bundle that is half there is used by nobody.
  rmSync(program, { force: true })
  mkdirSync(cache, { recursive: true })
  const { metafile } = await build({
    entryPoints: [entry, ...globSync('src/**/*worker.ts', { cwd: root, exclude: ['src/api/**'] })],
    absWorkingDir: root,
    outdir: join(cache, 'daemon'),
    outbase: '.',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    // Native modules stay where they are; those of ws are not wanted.
    external: ['bcrypt', 'koffi', 'bufferutil', 'utf-8-validate'],
    banner: { js: banner },
    plugins: [places],
    metafile: true,
    logLevel: 'silent',
  })
  const sources = Object.keys(metafile.inputs).map((id) => {
    const { size, mtimeMs } = statSync(join(root, id))
    return [id, size, mtimeMs] as const
  })
  await writeFileAtomic(
    program,
    `import { statSync } from 'node:fs'
const root = import.meta.dirname + '/../../../'
const fresh = ${JSON.stringify(sources)}.every(([id, size, mtimeMs]) => {
  const now = statSync(root + id, { throwIfNoEntry: false })
  return now !== undefined && now.size === size && now.mtimeMs === mtimeMs
})
await import(fresh ? './daemon/${entry.replace(/\.ts$/, '.mjs')}' : root + ${JSON.stringify(entry)})
`,
  )
  return program
}

if (import.meta.main) await bundleDaemon(join(root, 'node_modules/.cache/gantry'))
