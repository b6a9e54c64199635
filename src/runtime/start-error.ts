import { EngineError } from '../lib/errors.ts'

/** The runtime could not start a process. `exitCode` is what docker reports: 127 not found, 126 not executable, 125 else. */
export class RuntimeStartError extends EngineError {
  readonly exitCode: 125 | 126 | 127
  constructor(message: string, exitCode: 125 | 126 | 127) {
    // Docker: the caller's fault when the command is, else the engine's.
    super(exitCode === 125 ? 'internal' : 'invalid', message)
    this.name = 'RuntimeStartError'
    this.exitCode = exitCode
  }
}

/**
 * Puts a runtime's complaint in Docker's shape. Clients take the exit code from the words "executable file not found", "no
 * such file or directory", "permission denied" and "is a directory", so crun's own words for these are translated.
 */
export function startError(o: {
  action: 'create' | 'start' | 'exec'
  runtime: string
  /** What the runtime wrote: text, or lines of its log. */
  text: string
  /** First word of the command. */
  command: string
}): RuntimeStartError {
  const reason = reasonIn(o.text)
  const { exitCode, text, suffix = ': unknown' } = classify(reason, o)
  const process = 'unable to start container process: '
  const inner = text.startsWith('exec: ') ? process + text : text
  const message =
    o.action === 'exec'
      ? `OCI runtime exec failed: exec failed: ${inner}${suffix}`
      : `failed to create task for container: failed to create shim task: OCI runtime ${o.action} failed: ${o.runtime} ${o.action} failed: ${inner}${suffix}`
  return new RuntimeStartError(message, exitCode)
}

/** The last complaint of a runtime's output, without the log line around it. */
export function reasonIn(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? ''
  const quoted = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]
  // runc writes logrus lines, quoted as Go and JSON do.
  const message = quoted === undefined ? line : (JSON.parse(`"${quoted}"`) as string)
  return message
    .replace(/^(runc (create|run|start) failed|exec failed): /, '')
    .replace(/^unable to start container process: /, '')
}

function classify(
  reason: string,
  { command, action }: { command: string; action: 'create' | 'start' | 'exec' },
): { exitCode: 125 | 126 | 127; text: string; suffix?: string } {
  const quoted = JSON.stringify(command)
  if (/^executable file .* not found/.test(reason)) {
    return command.includes('/')
      ? { exitCode: 127, text: `exec: ${quoted}: stat ${command}: no such file or directory` }
      : { exitCode: 127, text: `exec: ${quoted}: executable file not found in $PATH` }
  }
  // crun opens the file before it runs it; for a directory the kernel answers EPERM there. Newer ones (1.21) look first.
  if (/^open executable: Operation not permitted$|^the path .* is not a regular file/.test(reason))
    return { exitCode: 126, text: `exec: ${quoted}: is a directory`, suffix: ': unknown: permission denied' }
  if (/^open executable: Permission denied$|^the path .* exists but it is not executable/.test(reason))
    return { exitCode: 126, text: `exec: ${quoted}: permission denied` }
  if (/^exec: .*(executable file not found|no such file or directory)/.test(reason))
    return { exitCode: 127, text: reason }
  if (/^exec: .*(permission denied|is a directory)/.test(reason)) return { exitCode: 126, text: reason }
  const [, folder, why = ''] = /^chdir `(.*)`: (.+)$/.exec(reason) ?? []
  if (folder !== undefined && action === 'exec') {
    const text = folder.startsWith('/')
      ? `unable to start container process: chdir to cwd (${JSON.stringify(folder)}) set in config.json failed: ${why.toLowerCase()}`
      : 'Cwd must be an absolute path'
    return { exitCode: 126, text }
  }
  // Docker: a command in a running container that cannot start is never the engine's fault.
  return {
    exitCode: action === 'exec' ? 126 : 125,
    text: reason === '' ? 'the runtime gave no reason' : reason,
  }
}
