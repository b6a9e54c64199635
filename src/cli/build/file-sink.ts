import type { OutputSink } from '../../client/index.ts'
import { hasCode } from '../../lib/errors.ts'

const { open, rename } = process.getBuiltinModule('node:fs/promises')
const { rmSync, statSync } = process.getBuiltinModule('node:fs')
const { randomBytes } = process.getBuiltinModule('node:crypto')

/** What of a sink is not complete goes when it is disposed of. */
export type ClientSink = OutputSink & Disposable

/** Standard output. */
export function stdoutSink(): ClientSink {
  const { stdout } = process
  // Each write reports its own failure.
  stdout.on('error', () => {})
  return {
    write: (data) =>
      new Promise((resolve, reject) => {
        stdout.write(data, (error) => {
          // A reader that went away ends us as SIGPIPE would.
          if (hasCode(error, 'EPIPE')) process.exit(141)
          if (error) reject(error)
          else resolve()
        })
      }),
    end: () => Promise.resolve(),
    [Symbol.dispose]() {},
  }
}

/** A file that is there whole or not at all; a pipe or device is written as it comes. */
export async function fileSink(path: string): Promise<ClientSink> {
  const direct = statSync(path, { throwIfNoEntry: false })?.isFile() === false
  const temporary = direct ? path : `${path}.${randomBytes(4).toString('hex')}.tmp`
  const file = await open(temporary, direct ? 'w' : 'wx')
  let complete = false
  return {
    async write(data) {
      for (let at = 0; at < data.length;) at += (await file.write(data, at)).bytesWritten
    },
    async end() {
      await file.close()
      if (!direct) await rename(temporary, path)
      complete = true
    },
    [Symbol.dispose]() {
      if (!complete && !direct) rmSync(temporary, { force: true })
    },
  }
}
