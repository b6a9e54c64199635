/**
 * Puts the modules of each program of the daemon's side into one file for it and one for each of its threads, below
 * `dist/daemon/`: gantryd takes 25 MB less than from some 600 modules, and 80 MB less at the first start, which has no types
 * to strip. bin/gantryd and bin/gantry-registry prefer `dist/gantryd.mjs` and `dist/gantry-registry.mjs`, which know the
 * sources and step aside for them.
 */
import { globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { writeFileAtomic } from '../../src/lib/atomic-file.ts'
import { isFresh, reachable, root, stamps } from './sources.ts'

/** Each program with the module it starts from. */
const programs = {
  'gantryd.mjs': 'src/daemon/main.ts',
  'gantry-registry.mjs': 'src/daemon/registry-main.ts',
}

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

/** Writes the programs into the directory `to`. */
export async function writeDaemon(to: string): Promise<void> {
  // First away and last back: a bundle that is half there is used by nobody.
  for (const name of Object.keys(programs)) rmSync(join(to, name), { force: true })
  mkdirSync(to, { recursive: true })
  const threads = globSync('src/**/*worker.ts', { cwd: root, exclude: ['src/api/**'] })
  const { metafile } = await build({
    entryPoints: [...Object.values(programs), ...threads],
    absWorkingDir: root,
    outdir: join(to, 'daemon'),
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
  for (const [name, entry] of Object.entries(programs)) {
    const sources = stamps(reachable(metafile.inputs, [entry, ...threads]))
    await writeFileAtomic(
      join(to, name),
      `import { existsSync, statSync } from 'node:fs'
const root = import.meta.dirname + '/../'
${isFresh}
await import(isFresh(${sources}) ? './daemon/${entry.replace(/\.ts$/, '.mjs')}' : root + ${JSON.stringify(entry)})
`,
    )
  }
}
