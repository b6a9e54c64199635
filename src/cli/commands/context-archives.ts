/** `context export` and `context import`. */
import { parseHost } from '../../client/index.ts'
import { hasCode } from '../../lib/errors.ts'
import { command, ExitError } from '../command.ts'
import { packContext, unpackContext } from '../context-archive.ts'
import { OutputQueue } from '../output-queue.ts'
import { copyOutput } from '../streams.ts'
import { checkName, copied, storeOf } from './context.ts'

const { createReadStream, createWriteStream } = process.getBuiltinModule('node:fs')
const { pipeline } = process.getBuiltinModule('node:stream/promises')
const { isatty } = process.getBuiltinModule('node:tty')

export const exportContext = command({
  usage: '[OPTIONS] CONTEXT [FILE|-]',
  arguments: [1, 2],
  flags: {},
  async run(context, _flags, [name = '', file = `${name}.dockercontext`]) {
    const archive = packContext(copied(context, name))
    if (file === '-') {
      if (isatty(1)) throw new ExitError(1, 'cowardly refusing to export to a terminal, specify a file path')
      const queue = new OutputQueue()
      await copyOutput(archive, queue, { raw: true })
      return queue.flushed()
    }
    try {
      // It may hold a key.
      await pipeline(archive, createWriteStream(file, { flags: 'wx', mode: 0o600 }))
    } catch (error) {
      if (hasCode(error, 'EEXIST')) throw new ExitError(1, `open ${file}: file exists`)
      if (hasCode(error, 'ENOENT')) throw new ExitError(1, `open ${file}: no such file or directory`)
      throw error
    }
    context.err(`Written file ${JSON.stringify(file)}\n`)
  },
})

export const importContext = command({
  usage: 'CONTEXT FILE|-',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [name = '', file = '']) {
    checkName(name)
    const store = storeOf(context)
    if (store.has(name)) throw new ExitError(1, `context ${JSON.stringify(name)} already exists`)
    const source = file === '-' ? process.stdin : createReadStream(file)
    try {
      const imported = await unpackContext(source as AsyncIterable<Buffer>, name)
      if (imported.host !== '') parseHost(imported.host)
      await store.put(imported)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw new ExitError(1, `open ${file}: no such file or directory`)
      throw error
    }
    context.out(`${name}\n`)
    context.err(`Successfully imported context ${JSON.stringify(name)}\n`)
  },
})
