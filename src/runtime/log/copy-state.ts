import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { hasCode } from '../../lib/errors.ts'
import type { LogPlace } from './cursor.ts'

/** How far a log has been copied: what another daemon goes on from. */
export interface CopyState {
  readonly place: LogPlace
  /** Of a copy in a file: which one, and how many of its bytes belong to it. */
  readonly file?: CopyFile
}

export interface CopyFile {
  readonly inode: number
  readonly written: number
}

const schema = z.object({
  place: z.object({ inode: z.number(), offset: z.number() }),
  file: z.object({ inode: z.number(), written: z.number() }).exactOptional(),
})

/** Beside the log, under a name that does not wake those who follow it. */
const copyStatePath = (logPath: string): string => join(dirname(logPath), 'copied')

/** Undefined before the first line, and for a file that a power cut has spoilt: the copy begins anew then. */
export function readCopyState(logPath: string): CopyState | undefined {
  try {
    const result = schema.safeParse(JSON.parse(readFileSync(copyStatePath(logPath), 'utf8')))
    return result.success ? result.data : undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * Overwritten in place by one write of a fixed length, so that a killed daemon leaves the one text or the other; a new file for each
 * block of lines would cost more than the block.
 */
export function writeCopyState(logPath: string, state: CopyState): void {
  const fd = openSync(copyStatePath(logPath), constants.O_WRONLY | constants.O_CREAT, 0o600)
  try {
    writeSync(fd, `${JSON.stringify(state).padEnd(127)}\n`, 0)
  } finally {
    closeSync(fd)
  }
}
