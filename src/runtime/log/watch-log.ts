import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { hasCode } from '../../lib/errors.ts'

/** Wakes a reader when the log or one of the signals changes; a change between two calls is not lost. */
export function watchLog(
  path: string,
  signals: readonly AbortSignal[],
): Disposable & { next(): Promise<void> } {
  let changed = false
  let wake: (() => void) | undefined
  const notify = () => {
    changed = true
    wake?.()
  }
  const name = basename(path)
  const watcher = watchDirectory(dirname(path), (entry) => {
    if (entry === null || entry.startsWith(name)) notify()
  })
  for (const signal of signals) signal.addEventListener('abort', notify, { once: true })
  return {
    async next() {
      if (!changed && !signals.some((signal) => signal.aborted))
        await new Promise<void>((resolve) => (wake = resolve))
      changed = false
    },
    [Symbol.dispose]() {
      watcher?.close()
      for (const signal of signals) signal.removeEventListener('abort', notify)
    },
  }
}

/** The directory and not the file: a rotation puts another file in its place. None when the container is gone. */
function watchDirectory(path: string, listener: (entry: string | null) => void) {
  try {
    return watch(path, { persistent: false }, (_event, entry) => listener(entry))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
