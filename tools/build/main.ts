/**
 * Makes `dist/`: the programs in few files, which those in bin/ prefer. `--package` adds the client for other programs: with
 * it `dist/` is what `npm pack` packs.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeCli } from './cli.ts'
import { writeClient } from './client.ts'
import { writeDaemon } from './daemon.ts'
import { root } from './sources.ts'

const dist = join(root, 'dist')
const forPackage = process.argv.includes('--package')
// Files of earlier bundles are for commands that still run.
if (forPackage) rmSync(dist, { recursive: true, force: true })
await Promise.all([writeCli(join(dist, 'cli')), writeDaemon(dist)])
if (forPackage) await writeClient(dist)
