import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { copyTree } from '../host/copy.ts'
import { SyscallError } from '../host/libc.ts'
import { RootDir } from '../host/root-dir.ts'
import type { Op } from '../lib/op.ts'

export interface PopulateOptions {
  readonly rootfs: string
  /** Absolute, inside `rootfs`. */
  readonly path: string
  /** The volume's directory: empty, or with part of the same content. */
  readonly target: string
}

/** More than this is copied in a worker thread; starting one costs more than copying so little (some 10 ms). */
const small = { entries: 200, bytes: 4 << 20 }

/** Copies what an image has at a path into a directory, which gets the attributes of the path. */
export async function populate(op: Op, o: PopulateOptions): Promise<void> {
  op.signal.throwIfAborted()
  if (isSmall(o)) return copy(o)
  // Descriptors are opened past Node here: its own book-keeping would only warn of them.
  const worker = new Worker(new URL(`./populate-worker${extname(import.meta.filename)}`, import.meta.url), {
    workerData: o,
    trackUnmanagedFds: false,
  })
  const abort = () => void worker.terminate()
  op.signal.addEventListener('abort', abort, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error('the copy was stopped'))))
    })
  } catch (error) {
    op.signal.throwIfAborted()
    throw error
  } finally {
    op.signal.removeEventListener('abort', abort)
  }
}

/** The same, in this thread. */
export function copy(o: PopulateOptions): void {
  using from = RootDir.open(o.rootfs)
  using to = RootDir.open(o.target)
  if (!isDirectory(from, o.path)) return
  copyTree({ from, source: o.path, to, target: '/', fidelity: 'exact' })
  const stat = from.stat(o.path)
  to.chown('.', stat)
  to.chmod('.', stat.mode)
}

function isDirectory(root: RootDir, path: string): boolean {
  try {
    return root.stat(path).kind === 'directory'
  } catch (error) {
    if (error instanceof SyscallError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false
    throw error
  }
}

function isSmall(o: PopulateOptions): boolean {
  using root = RootDir.open(o.rootfs)
  if (!isDirectory(root, o.path)) return true
  let { entries, bytes } = small
  const folders: Buffer[] = [Buffer.from(o.path)]
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for (const name of root.listBytes(folder)) {
      const path = Buffer.concat([folder, Buffer.from('/'), name])
      const stat = root.lstat(path)
      bytes -= stat.size
      if (--entries < 0 || bytes < 0) return false
      if (stat.kind === 'directory') folders.push(path)
    }
  }
  return true
}
