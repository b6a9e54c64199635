/** Makes `dist/client` and `dist/types`: what `import { connect } from 'gantry'` gives to programs that have the package. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './sources.ts'

export async function writeClient(to: string): Promise<void> {
  const types = join(to, 'types')
  rmSync(types, { recursive: true, force: true })
  const project = join(import.meta.dirname, 'client.tsconfig.json')
  execFileSync(
    process.execPath,
    [join(root, 'node_modules/.bin/tsc'), '--project', project, '--outDir', types],
    { stdio: 'inherit' },
  )
  await build({
    entryPoints: ['src/client/index.ts'],
    absWorkingDir: root,
    outfile: join(to, 'client/index.js'),
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    logLevel: 'silent',
  })
}
