/**
 * `tools/with-node tools/registry-image.ts [NAME]`: builds the registry server as an image, by the gantry of this checkout (and the
 * daemon that GANTRY_HOST leads to). The image has Node, the libraries it needs and the code in one file; no shell, no packages.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'

const root = resolve(import.meta.dirname, '..')
/** They load a library of their own from beside them. */
const native = ['bcrypt', 'koffi']

/** Fills the folder with what the Dockerfile takes: what the image has, and an empty directory. */
async function make(place: string): Promise<void> {
  mkdirSync(join(place, 'storage'))
  const folder = join(place, 'rootfs')
  const app = join(folder, 'app')
  for (const path of ['app/node_modules', 'bin']) mkdirSync(join(folder, path), { recursive: true })
  await build({
    entryPoints: [join(root, 'src/daemon/registry-main.ts')],
    outfile: join(app, 'registry.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    external: native,
    // For packages of the older kind.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
    },
    logLevel: 'warning',
  })
  const platform = `linux-${process.arch}`
  const node = join(root, `node_modules/node-${platform}/bin/node`)
  copyFileSync(node, join(folder, 'bin/node'))
  const libraries = [
    ...copyPackage('bcrypt', app, [`prebuilds/${platform}`, 'bcrypt.js', 'promises.js', 'package.json']),
    ...copyPackage('node-gyp-build', app, ['.']),
    ...copyPackage('koffi', app, [
      'index.js',
      'package.json',
      'src/koffi/index.js',
      'src/koffi/src/static.js',
    ]),
    ...copyPackage(`@koromix/koffi-${platform}`, app, ['.']),
  ]
  for (const library of needed([node, ...libraries])) {
    const target = join(folder, library)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(realpathSync(library), target)
  }
}

/** Copies parts of a package; returns its libraries. */
function copyPackage(name: string, app: string, parts: readonly string[]): string[] {
  const from = join(root, 'node_modules', name)
  const to = join(app, 'node_modules', name)
  for (const part of parts)
    cpSync(join(from, part), join(to, part), {
      recursive: true,
      // Of bcrypt: the one for this C library.
      filter: (path) => !basename(path).includes('musl'),
    })
  const found = execFileSync('find', [to, '-name', '*.node'], { encoding: 'utf8' })
  return found.split('\n').filter((path) => path !== '')
}

/** The libraries that these load, and the loader itself, where they expect them. */
function needed(files: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const file of files) {
    const { stdout } = spawnSync('ldd', [file], { encoding: 'utf8' })
    for (const [, path] of stdout.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm))
      if (path !== undefined) found.add(path)
  }
  return found
}

if (import.meta.main) {
  const name = process.argv[2] ?? 'gantry-registry'
  const folder = mkdtempSync(join(tmpdir(), 'gantry-registry-image-'))
  try {
    await make(folder)
    const argv = ['build', '-t', name, '--build-context', `made=${folder}`, join(root, 'images/registry')]
    process.exitCode = spawnSync(join(root, 'bin/gantry'), argv, { stdio: 'inherit' }).status ?? 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
