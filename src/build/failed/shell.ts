import { mkdir, rm } from 'node:fs/promises'
import { existsSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { RootDir } from '../../host/root-dir.ts'
import { attempt } from '../../lib/attempt.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import { detached, type Op } from '../../lib/op.ts'
import type { Networks } from '../../network/index.ts'
import type { OciMount, Runtime } from '../../runtime/index.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import { prepareProcess } from '../exec/process.ts'
import type { RunStep } from '../graph/works.ts'
import type { SecretSource, SshSource } from '../request.ts'
import type { FailedRecord, KeptMount } from './record.ts'

export interface ShellRequest {
  /** In place of a shell. */
  readonly command?: readonly string[]
  readonly tty: boolean
  readonly consoleSize?: readonly [rows: number, columns: number]
}

/** A process where a failed step ran. */
export interface Shell {
  /** Its output, framed as docker does without a terminal; what is written is its input. */
  readonly stream: Duplex
  /** Its exit code. Never rejects. */
  readonly exited: Promise<number>
  /** Nothing of it is left but what it changed. */
  readonly over: Promise<void>
  resize(rows: number, columns: number): void
  kill(): void
}

export interface ShellTools {
  readonly snapshots: Snapshots
  readonly runtime: Runtime
  readonly networks: Networks
  readonly runDir: string
  readonly secrets: SecretSource
  readonly ssh?: SshSource
}

/** Mounts what the step saw once more and starts a process there. Aborted, the process is killed. */
export async function openShell(
  op: Op,
  tools: ShellTools,
  o: { record: FailedRecord; request: ShellRequest },
): Promise<Shell> {
  const { record, request } = o
  const { runtime, snapshots } = tools
  const id = `b${newId().slice(0, 12)}`
  const scratch = join(tools.runDir, id)
  await using undo = new AsyncDisposableStack()
  const deferred = (what: string, run: (op: Op) => Promise<unknown>) =>
    undo.defer(() => attempt(op, `${what} of a failed step's shell`, () => run(detached(op, 30_000)), { id }))
  // The directory goes last: while it is there the next start looks for remains.
  deferred('remove the bundle', () => rm(scratch, { recursive: true, force: true }))
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  const roots = new Map<string, string>()
  for (const space of record.spaces) {
    deferred('unmount a root', (undoOp) => snapshots.unmount(undoOp, space.id))
    roots.set(space.id, await snapshots.mount(op, space.id, space.layers, { again: true }))
  }
  const root = roots.get(record.space)
  if (root === undefined) throw new Error('a failed step has the workspace that it wrote in')
  const { spec, bundle } = await prepareProcess(
    op,
    { ...tools, resources: {}, cgroupParent: record.cgroupParent },
    {
      step: { ...record.step, mounts: record.step.mounts.map((each) => optional(each)) },
      space: { id, root, scratch },
      mounts: record.mounts.flatMap((each) => mountAgain(each, roots)),
      undo,
      args: request.command ?? [shellOf(record.step, root)],
      ...(request.tty && { tty: true, env: ['TERM=xterm'] }),
    },
  )
  if (request.tty && request.consoleSize)
    spec.process.consoleSize = { height: request.consoleSize[0], width: request.consoleSize[1] }
  deferred('deleting the container', async (undoOp) => {
    await runtime.delete(undoOp, id)
    runtime.forgetExit(id)
  })
  const exit = Promise.withResolvers<number>()
  undo.use(runtime.onExit((ended) => void (ended.id === id && exit.resolve(ended.exitCode))))
  const { tty } = request
  await runtime.create(op, {
    id,
    bundle,
    spec,
    tty,
    stdin: true,
    stdinOnce: true,
    log: { path: '', discard: true, maxSize: 0, maxFiles: 0 },
    name: `shell-${record.build.slice(0, 12)}`,
  })
  const { stream } = await runtime.attach(op, { bundle, tty, stdin: true, stdout: true, stderr: true })
  undo.defer(() => void stream.destroy())
  await runtime.start(op, id)
  let isOver = false
  void exit.promise.then(() => (isOver = true))
  const kill = () => {
    if (isOver) return
    runtime.kill(detached(op, 10_000), id, 9).catch((error: unknown) => {
      // It may end at the same moment.
      op.log.debug('shell in a failed step: kill', { id, error })
    })
  }
  op.signal.addEventListener('abort', kill, { once: true })
  if (op.signal.aborted) kill()
  const held = undo.move()
  const over = exit.promise.then(async () => {
    op.signal.removeEventListener('abort', kill)
    // What it wrote last is still on its way to the client.
    if (!stream.readableEnded && !stream.destroyed && !op.signal.aborted)
      await Promise.race([
        new Promise((resolve) => stream.once('close', resolve).once('end', resolve)),
        new Promise((resolve) => setTimeout(resolve, 1_000).unref()),
      ])
    await held.disposeAsync()
  })
  const resize = (rows: number, columns: number) => {
    runtime.resize(detached(op, 5_000), { bundle, rows, columns }).catch((error: unknown) => {
      // It may have ended already.
      op.log.debug('shell in a failed step: resize', { id, error })
    })
  }
  return { stream, exited: exit.promise, over, resize, kill }
}

/** Secrets and agents that are gone with their build are left out. */
function optional(mount: RunStep['mounts'][number]): RunStep['mounts'][number] {
  return mount.type === 'secret' || mount.type === 'ssh' ? { ...mount, required: false } : mount
}

/** Nothing for what is gone: a cache that was pruned, an agent's socket. */
function mountAgain(kept: KeptMount, roots: ReadonlyMap<string, string>): OciMount[] {
  const { destination, type, options } = kept
  if (type === 'tmpfs') return [{ destination, type, source: kept.source, options }]
  if (kept.space === undefined)
    return existsSync(kept.source) ? [{ destination, type, source: kept.source, options }] : []
  const root = roots.get(kept.space)
  return root === undefined
    ? []
    : [{ destination, type, source: join(realpathSync(root), kept.source), options }]
}

const shells = ['/bin/bash', '/usr/bin/bash', '/bin/sh', '/usr/bin/sh', '/busybox/sh']

/** The step's own shell where it is one of Unix, a better one of the same kind where there is one. */
function shellOf(step: RunStep, rootPath: string): string {
  using root = RootDir.open(rootPath)
  const exists = (path: string) => {
    try {
      return root.stat(path).kind === 'file'
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false
      throw error
    }
  }
  const own = step.args[0] ?? ''
  const isShell = /^(ba|da|a|z|k|fi|mk)?sh$/.test(basename(own)) && own.startsWith('/')
  const wanted = isShell && own !== '/bin/sh' ? [own, ...shells] : shells
  const found = wanted.find(exists)
  if (found === undefined)
    throw new EngineError('not-found', 'there is no shell in the failed step: name a command to run there')
  return found
}
