/** Makes `dist/`: the programs in few files, which those in bin/ prefer, and what is in the package that `npm pack` makes. */
import { join } from 'node:path'
import { writeCli } from './cli.ts'
import { writeDaemon } from './daemon.ts'
import { root } from './sources.ts'

const dist = join(root, 'dist')
await Promise.all([writeCli(join(dist, 'cli')), writeDaemon(dist)])
