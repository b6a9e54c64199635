/** Programs of the machine, run to their end, and waiting for what is to come. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Result {
  readonly code: number
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** How many times longer everything may take: machines whose processors are emulated need it. */
export const patience = Number(process.env['GANTRY_TEST_PATIENCE'] ?? 1)

export interface RunOptions {
  /** Written to stdin, which is then closed. Without it stdin is empty from the start. */
  readonly input?: string | Uint8Array
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** Milliseconds until the command is killed and the test fails; 30 s unless told. */
  readonly timeout?: number
}

/** Collects a child's output and its end. Kills it when it takes too long. */
export function finished(
  child: ChildProcessWithoutNullStreams,
  what: string,
  timeout = 30_000,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString()
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(
        new Error(
          `${what}: still running after ${timeout * patience} ms\nstdout: ${text(out)}\nstderr: ${text(err)}`,
        ),
      )
    }, limitOf(timeout))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, signal, stdout: text(out), stderr: text(err) })
    })
  })
}

/** A timer takes no more than 31 bits. */
const limitOf = (ms: number) => Math.min(ms * patience, 2 ** 31 - 1)

/** Runs any program of the machine to its end. */
export async function command(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [file = '', ...args] = argv
  const child = spawn(file, args, {
    env: { ...process.env, ...options.env },
    ...(options.cwd && { cwd: options.cwd }),
  })
  // A program that does not read its input is free to go.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return finished(child, argv.join(' '), options.timeout)
}

/** Tries until the check passes; then returns what it returned. Fails with the check's last complaint. */
export async function eventually<T>(check: () => T | Promise<T>, limit = 10_000): Promise<T> {
  const end = Date.now() + limitOf(limit)
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(30)
    }
  }
}
