import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { spawnChild } from '../host/child.ts'
import { pipe } from '../host/pipe.ts'
import { closeFd } from '../host/socket.ts'
import { run } from '../host/spawn.ts'
import { EngineError } from '../lib/errors.ts'
import { abortReason, detached, type Op } from '../lib/op.ts'
import { parseSignal } from '../lib/signals.ts'
import type { ExecRuntime } from './exec.ts'
import type { OciSpec } from './oci-spec.ts'
import { startError } from './start-error.ts'

export interface StepOptions {
  readonly id: string
  readonly bundle: string
  readonly spec: OciSpec
  readonly onOutput: (stream: 1 | 2, data: Buffer) => void
}

/**
 * Runs one process to its end in a container that nothing outlives, and returns its exit code. Output comes as it is
 * written, all of it before the promise settles. An abort kills every process of it and rejects with the signal's reason. Throws
 * RuntimeStartError when the command cannot be run.
 */
export async function runStep(op: Op, runtime: ExecRuntime, s: StepOptions): Promise<number> {
  op.signal.throwIfAborted()
  writeFileSync(join(s.bundle, 'config.json'), JSON.stringify(s.spec))
  const log = join(s.bundle, 'runtime.log')
  const pidFile = join(s.bundle, 'pid')
  for (const file of [log, pidFile]) rmSync(file, { force: true })
  const outputs = [pipe(), pipe()] as const
  const child = (() => {
    try {
      return spawnChild(
        runtime.path,
        ['--root', runtime.root, '--log', log, 'run', '--bundle', s.bundle, '--pid-file', pidFile, s.id],
        { stdio: ['ignore', outputs[0].write, outputs[1].write], detached: true },
      )
    } catch (error) {
      for (const ends of outputs) closeFd(ends.read)
      throw error
    } finally {
      for (const ends of outputs) closeFd(ends.write)
    }
  })()
  const stderr = heldBack({ until: () => existsSync(pidFile), onData: (data) => s.onOutput(2, data) })
  const drained = Promise.all([
    read(outputs[0].read, (data) => s.onOutput(1, data)),
    read(outputs[1].read, stderr.push),
  ])
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new EngineError('internal', `cannot run ${runtime.path}: ${error.message}`, { cause: error })),
    )
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? parseSignal(signal) : 0)))
  })
  let isOver = false
  const onAbort = () => void stop(op, runtime, { id: s.id, isOver: () => isOver })
  op.signal.addEventListener('abort', onAbort, { once: true })
  try {
    const [code] = await Promise.all([exited, drained])
    stderr.end()
    if (op.signal.aborted) throw abortReason(op.signal)
    if (!existsSync(pidFile)) {
      const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
      throw startError({
        action: 'create',
        runtime: runtime.name,
        text,
        command: s.spec.process.args[0] ?? '',
      })
    }
    return code
  } finally {
    isOver = true
    stderr.end()
    op.signal.removeEventListener('abort', onAbort)
    await remove(detached(op, 10_000), runtime, s.id)
  }
}

/** Before the process runs, stderr is the runtime's own, and its complaint is in the log as well: that is not output. */
function heldBack(o: { until: () => boolean; onData: (data: Buffer) => void }): {
  push: (data: Buffer) => void
  end: () => void
} {
  let held: Buffer[] | undefined = []
  let timer: NodeJS.Timeout | undefined
  const release = () => {
    if (!held || !o.until()) return
    clearInterval(timer)
    for (const data of held.splice(0)) o.onData(data)
    held = undefined
  }
  return {
    push: (data) => {
      release()
      if (!held) return o.onData(data)
      held.push(data)
      timer ??= setInterval(release, 5)
    },
    end: () => {
      release()
      clearInterval(timer)
    },
  }
}

function read(fd: number, onData: (data: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = new Socket({ fd, readable: true, writable: false })
    stream.on('data', onData)
    stream.once('error', reject)
    stream.once('close', () => resolve())
  })
}

/** Ends the container's first process, and all others with it; `run` then clears up and returns. */
async function stop(op: Op, runtime: ExecRuntime, o: { id: string; isOver: () => boolean }): Promise<void> {
  const undo = detached(op, 30_000)
  try {
    // The container may not exist yet: then it is tried again until it does or the step is over.
    while (!o.isOver()) {
      const argv = [runtime.path, '--root', runtime.root, 'kill', o.id, 'KILL']
      const { code } = await run(undo, argv, { okCodes: [0, 1] })
      if (code === 0) return
      await delay(20)
    }
  } catch (error) {
    op.log.warn('cannot stop a build step', { id: o.id, error })
  }
}

/** `run` deletes the container itself unless it was killed. */
async function remove(op: Op, runtime: ExecRuntime, id: string): Promise<void> {
  if (!existsSync(join(runtime.root, id))) return
  await run(op, [runtime.path, '--root', runtime.root, 'delete', '--force', id], { okCodes: [0, 1] })
}
