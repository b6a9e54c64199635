import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { EngineError, hasCode } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import { spawnChild, type Child } from './child.ts'

export interface RunOptions {
  readonly input?: string | Uint8Array
  /** The whole environment of the child; the daemon's own by default. */
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** Exit codes that are results, not failures. Default: 0 alone. */
  readonly okCodes?: readonly number[]
  /** Bytes kept of each of stdout and stderr; more output fails the call. Default 16 MiB. */
  readonly maxOutput?: number
  /** The programs that it starts itself are killed with it. */
  readonly group?: boolean
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program to its end and returns what it said. An abort kills it (SIGKILL) and rejects with the signal's
 * reason once it is gone. A program that is missing is kind `unsupported`; an exit code outside `okCodes` and a death by signal are
 * kind `internal`, with the last line of stderr.
 */
export async function run(op: Op, argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  op.signal.throwIfAborted()
  const [file, ...args] = argv
  if (file === undefined) throw new Error('run() needs a program')
  const maxOutput = options.maxOutput ?? 16 << 20
  return new Promise((resolve, reject) => {
    const child = spawnChild(file, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.env && { env: options.env }),
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      ...(options.group && { detached: true }),
    })
    const kill = () => {
      if (options.group) killGroup(child)
      else child.kill('SIGKILL')
    }
    let overflow = false
    const collect = (stream: Readable | undefined): (() => string) => {
      const chunks: Buffer[] = []
      let size = 0
      stream?.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size <= maxOutput) chunks.push(chunk)
        else {
          overflow = true
          kill()
        }
      })
      return () => Buffer.concat(chunks).toString()
    }
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    const onAbort = kill
    op.signal.addEventListener('abort', onAbort, { once: true })
    child.once('error', (error) => {
      op.signal.removeEventListener('abort', onAbort)
      reject(
        hasCode(error, 'ENOENT')
          ? new EngineError('unsupported', `\`${file}\` is not installed`, { cause: error })
          : new EngineError('internal', `cannot run ${describe(argv)}: ${error.message}`, { cause: error }),
      )
    })
    child.once('close', (code, signal) => {
      op.signal.removeEventListener('abort', onAbort)
      if (op.signal.aborted) return reject(abortReason(op.signal))
      const result = { code: code ?? -1, stdout: stdout(), stderr: stderr() }
      if (overflow) {
        return reject(new EngineError('internal', `${describe(argv)} wrote more than ${maxOutput} bytes`))
      }
      if (code !== null && (options.okCodes ?? [0]).includes(code)) return resolve(result)
      const why = lastLine(result.stderr) || (signal ? `killed by ${signal}` : `exit code ${code}`)
      reject(new EngineError('internal', `${describe(argv)} failed: ${why}`))
    })
    if (child.stdin) {
      // A child that does not read its input to the end is no failure of ours: its exit code tells.
      child.stdin.on('error', () => {})
      child.stdin.end(options.input ?? '')
    }
  })
}

/** The session that it leads. As long as its output is open some process of that is there, so the number is not another's. */
function killGroup(child: Child): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}

/** What a reader recognises of a command: the program and its subcommand, in backquotes. */
function describe(argv: readonly string[]): string {
  const subcommand = argv.slice(1).find((arg, i, all) => /^[a-z]+$/.test(arg) && !all[i - 1]?.startsWith('-'))
  return `\`${[basename(argv[0] ?? ''), subcommand].filter(Boolean).join(' ')}\``
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? ''
}
