import type { CopyFile } from './copy-state.ts'

/** Where copied lines go. */
export interface Receiver {
  /** Takes records, and says how many bytes of them it took: at least one record, unless it throws. */
  write(data: Buffer): Promise<number>
  /** Of one that is a file. */
  readonly file?: CopyFile
  close(): void
}
