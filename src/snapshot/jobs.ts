import type { ErrorKind } from '../lib/errors.ts'
import type { FileMode } from '../lib/file-mode.ts'
import type { Digest } from '../lib/digest.ts'
import type { Change } from './inspect-tree.ts'
import type { FilePair, LayerEntry } from './list-layer.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface CopyEntry {
  /** Relative to the source directory. */
  readonly source: string
  /** Absolute in the container: the exact name of the copy. */
  readonly target: string
  /** Only this entry: of a directory what it is, not what is in it; a symlink as it is. */
  readonly shallow?: boolean
  /** Of a directory, only these paths below it, each with the directories above it. */
  readonly only?: readonly string[]
}

/** What a copy left to be linked: paths as latin1, without a leading slash. */
export interface Linked {
  readonly linked: readonly string[]
  /** The directory copied to, if it was there before: it is one that changes now. */
  readonly changed?: string
}

/** A layer that an earlier copy gave. */
export interface EarlierFiles {
  /** Its directory. */
  readonly dir: string
  /** The directory that is copied to, absolute in the container. */
  readonly target: string
  /** Below `target`: files whose content is known to be the same there. */
  readonly paths: readonly string[]
}

/** How an archive is compressed. */
export interface Packed {
  readonly compression: 'gzip' | 'zstd'
  readonly level: number
}

/** What workers do. Paths are absolute and trusted; what is inside the directories they name is not. */
export interface Jobs {
  /** Input: an uncompressed layer archive, into the empty directory `dir`. */
  unpack: {
    in: { dir: string }
    out: { digest: Digest; size: number; tarSize: number; opaqueRoot: boolean; skippedXattrs: string[] }
  }
  /** Input: a layer archive, compressed or not, as `unpack`; its bytes as they come also go to the new file `copyTo`. */
  receive: {
    in: { dir: string; copyTo: string }
    out: Jobs['unpack']['out'] & { blob: Digest; blobSize: number }
  }
  /** Input: an uncompressed archive, over what is in `root` at `target`. */
  extract: {
    in: {
      root: string
      target: string
      chown?: Owner
      anySymlinks?: boolean
      whole?: boolean
      copied?: { readonly keepKinds: boolean }
    }
    out: { size: number; skippedXattrs: string[] }
  }
  /** Digest of the layer archive that `tar` would give. */
  hash: { in: { dir: string; epoch?: number }; out: { digest: Digest; size: number; tarSize: number } }
  /** Output: a tar stream. */
  tar: {
    in: { dir: string; form: 'layer' | 'tree'; into?: string; as?: string; only?: string }
    out: { size: number }
  }
  /**
   * Output: the archive of a layer, compressed: that of a directory as `tar` gives it, or what is in a stored archive, which may
   * be compressed itself.
   */
  pack: { in: { from: { dir: string } | { file: string }; form: Packed }; out: null }
  copy: {
    in: {
      from: string
      to: string
      entries: readonly CopyEntry[]
      chown?: Owner
      mode?: FileMode
      mtime?: number
      earlier?: EarlierFiles
    }
    out: Linked
  }
  /** Hard links in `to` to what has the same names in `from`; directories keep their times, but for `changed`. */
  link: { in: { from: string; to: string } & Linked; out: null }
  /** An exact copy of an upper directory, without those of `mountPoints` that are empty files. */
  duplicate: { in: { from: string; to: string; mountPoints?: readonly string[] }; out: null }
  changes: { in: { upper: string; lower: string }; out: Change[] }
  usage: { in: { dir: string }; out: number }
  /** All entries of a layer. */
  list: { in: { dir: string }; out: LayerEntry[] }
  /** Whether the files of each pair are the same. */
  compare: { in: { pairs: readonly FilePair[] }; out: boolean[] }
  remove: { in: { path: string }; out: null }
  /** Forces the file system's dirty data to the disk. */
  sync: { in: { path: string }; out: null }
}

export type JobKind = keyof Jobs
export type Job = { [K in JobKind]: { kind: K; input: Jobs[K]['in'] } }[JobKind]

/** What the main thread sends. */
export type ToWorker =
  | { type: 'start'; id: number; job: Job; cancel: SharedArrayBuffer }
  | { type: 'chunk'; id: number; chunk: Uint8Array }
  | { type: 'end'; id: number }
  /** The input broke off, or nobody wants the result any more. */
  | { type: 'abort'; id: number }
  /** The reader of a stream takes this many bytes more. */
  | { type: 'credit'; id: number; bytes: number }

export type FromWorker =
  /** With the memory of the chunk, to be filled again. */
  | { type: 'ack'; id: number; bytes: number; memory: ArrayBuffer }
  /** `read`: bytes of the archive so far, where that is not what is sent. */
  | { type: 'chunk'; id: number; chunk: Uint8Array; read?: number }
  | { type: 'done'; id: number; result: unknown }
  | {
      type: 'failed'
      id: number
      failure: { kind: ErrorKind; message: string; code?: string; stack?: string }
    }

/** Bytes in flight in either direction. */
export const windowSize = 4 << 20
