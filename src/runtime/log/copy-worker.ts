/**
 * The thread that brings containers' lines to where their log driver wants them: it reads conmon's logs, and no container waits for
 * it. A receiver that is away is tried again; how far each copy has come is noted beside the log, so that a daemon that was killed
 * goes on there.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import type { CopyCommand, CopyReport } from './copies.ts'
import { readCopyState, writeCopyState, type CopyState } from './copy-state.ts'
import { LogCursor } from './cursor.ts'
import { Journald } from './journald.ts'
import { JsonFile } from './json-file.ts'
import type { Receiver } from './receiver.ts'
import type { LogCopy, LogSetup } from './setup.ts'
import { Syslog } from './syslog.ts'
import { watchLog } from './watch-log.ts'

/** Lines gather for so long before they are taken together. Milliseconds. */
const gathering = 20
/** Between two tries of a receiver that is away. Milliseconds. */
const firstRetry = 250
const lastRetry = 15_000

const report = (message: CopyReport) => parentPort?.postMessage(message)
const ends = new Map<string, AbortController>()

async function open(copy: LogCopy, state: CopyState | undefined): Promise<Receiver> {
  switch (copy.kind) {
    case 'json-file':
      return new JsonFile(copy, state?.file)
    case 'syslog':
      return await Syslog.open(copy.target, copy.format)
    case 'journald':
      return new Journald(copy.fields)
  }
}

/** Copies until the container has ended and all is copied. */
async function copyLog(setup: LogSetup, copy: LogCopy, ended: AbortSignal): Promise<void> {
  const state = readCopyState(setup.path)
  using changes = watchLog(setup.path, [ended])
  await using cursor = new LogCursor(setup.path, state?.place)
  const receiver = await open(copy, state)
  try {
    for (;;) {
      const over = ended.aborted
      let data = await cursor.read()
      if (data === undefined) {
        if (over) return
        await changes.next()
        if (!ended.aborted) await delay(gathering)
        continue
      }
      // What is read stands at the end of what the cursor has come to.
      const { inode, offset } = cursor.place
      let from = { inode, offset: offset - data.length }
      while (data.length > 0) {
        const taken = await receiver.write(data)
        data = data.subarray(taken)
        from = { inode, offset: from.offset + taken }
        writeCopyState(setup.path, { place: from, ...(receiver.file && { file: receiver.file }) })
      }
    }
  } finally {
    receiver.close()
  }
}

async function keepCopying(id: string, setup: LogSetup, ended: AbortSignal): Promise<void> {
  const { copy } = setup
  if (!copy) return
  for (let wait = firstRetry; ; wait = Math.min(lastRetry, wait * 2)) {
    const began = performance.now()
    try {
      return await copyLog(setup, copy, ended)
    } catch (error) {
      report({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) })
      // Its end is not held up by a receiver that is away: another start goes on from here.
      if (ended.aborted) return
      if (performance.now() - began > lastRetry) wait = firstRetry
      await delay(wait, undefined, { signal: ended }).catch(() => undefined)
    }
  }
}

parentPort?.on('message', (command: CopyCommand) => {
  if (command.kind === 'finish') return ends.get(command.id)?.abort()
  const { id, setup } = command
  const end = new AbortController()
  ends.set(id, end)
  void keepCopying(id, setup, end.signal).then(() => {
    if (ends.get(id) === end) ends.delete(id)
    report({ kind: 'finished', id })
  })
})
