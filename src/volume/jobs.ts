import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { copyTree } from '../host/copy.ts'
import { SyscallError } from '../host/libc.ts'
import { RootDir, type FileStat } from '../host/root-dir.ts'
import type { Op } from '../lib/op.ts'

/** Work on files of volumes. Folders are named by trusted paths; what is inside them is not trusted. */
export type Job =
  /** What an image has at `path`, into an empty volume, which gets the attributes of the path. */
  | { readonly kind: 'populate'; readonly rootfs: string; readonly path: string; readonly target: string }
  /** Everything at and below `path` gets the owner, but what is on another file system. */
  | {
      readonly kind: 'chown'
      readonly root: string
      readonly path: string
      readonly uid: number
      readonly gid: number
    }

/** More than this is done in a worker thread; starting one costs more than doing so little (some 10 ms). */
const small = { entries: 200, bytes: 4 << 20 }

/** Does the job without blocking the daemon; an abort stops it where it is. */
export async function run(op: Op, job: Job): Promise<void> {
  op.signal.throwIfAborted()
  if (isSmall(job)) return perform(job)
  // Descriptors are opened past Node here: its own book-keeping would only warn of them.
  const worker = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
    workerData: job,
    trackUnmanagedFds: false,
  })
  const abort = () => void worker.terminate()
  op.signal.addEventListener('abort', abort, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error('the work was stopped'))))
    })
  } catch (error) {
    op.signal.throwIfAborted()
    throw error
  } finally {
    op.signal.removeEventListener('abort', abort)
  }
}

/** The same, in this thread. */
export function perform(job: Job): void {
  switch (job.kind) {
    case 'populate': {
      using from = RootDir.open(job.rootfs)
      using to = RootDir.open(job.target)
      if (!isDirectory(from, job.path)) return
      copyTree({ from, source: job.path, to, target: '/', fidelity: 'exact' })
      const stat = from.stat(job.path)
      to.chown('.', stat)
      to.chmod('.', stat.mode)
      to.utimes('.', { sec: stat.mtimeSec, nsec: stat.mtimeNsec })
      return
    }
    case 'chown': {
      using root = RootDir.open(job.root)
      const device = deviceOf(root.lstat(job.path))
      for (const { path, stat } of walk(root, job.path)) {
        if (deviceOf(stat) !== device || (stat.uid === job.uid && stat.gid === job.gid)) continue
        root.chown(path, job)
        // Changing owners takes away setuid and setgid.
        if ((stat.mode & 0o6000) !== 0) root.chmod(path, stat.mode)
      }
    }
  }
}

const deviceOf = (stat: FileStat) => stat.identity.slice(0, stat.identity.indexOf(':'))

/** A file, or a directory and all that is in it; symlinks are themselves. What vanishes meanwhile is left out. */
function* walk(root: RootDir, top: string | Buffer): Generator<{ path: Buffer; stat: FileStat }> {
  const rest: Buffer[] = [Buffer.from(top)]
  for (let path = rest.pop(); path; path = rest.pop()) {
    const stat = root.tryLstat(path)
    if (!stat) continue
    yield { path, stat }
    if (stat.kind !== 'directory') continue
    const prefix = Buffer.concat([path, Buffer.from('/')])
    for (const name of root.listBytes(path)) rest.push(Buffer.concat([prefix, name]))
  }
}

function isDirectory(root: RootDir, path: string): boolean {
  try {
    return root.stat(path).kind === 'directory'
  } catch (error) {
    if (error instanceof SyscallError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false
    throw error
  }
}

function isSmall(job: Job): boolean {
  using root = RootDir.open(job.kind === 'populate' ? job.rootfs : job.root)
  if (job.kind === 'populate' && !isDirectory(root, job.path)) return true
  let { entries, bytes } = small
  // The path itself may be a symlink inside the image.
  const top = job.kind === 'populate' ? `${job.path}/.` : job.path
  for (const { stat } of walk(root, top)) {
    if (job.kind === 'populate') bytes -= stat.size
    if (--entries < 0 || bytes < 0) return false
  }
  return true
}
