import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import type { Socket } from 'node:net'
import type { SshHost } from './host.ts'

const { Duplex } = process.getBuiltinModule('node:stream')

/** As long as docker waits. Seconds. */
const connectTimeout = 30

/**
 * A connection through the system's ssh, with its configuration, keys and agent, to the daemon on that host: there `gantry`, or
 * where that is not installed `docker`, joins its standard input and output to the daemon's socket.
 */
export function openSshSocket(host: SshHost): Socket {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const child = spawn('ssh', sshArguments(host), { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)))
  const stream = new SshStream(child)
  child.on('error', (error) => stream.destroy(new Error(`ssh cannot be run: ${error.message}`)))
  child.on('close', (code) => {
    if (code === 0 || stream.destroyed) stream.push(null)
    else stream.destroy(new Error(complaint.trim() || `ssh ended with exit code ${code}`))
  })
  // Of a socket the pool uses what a stream has, and these two, which say whether the process waits for it.
  return stream as unknown as Socket
}

export function sshArguments({ user, hostname, port, path }: SshHost): string[] {
  // Nothing of the user's is in it but a path, and that was checked to hold nothing that a shell would see.
  const at = path === undefined ? '' : ` --host unix://${path}`
  const remote = `if command -v gantry >/dev/null; then exec gantry${at} system dial-stdio; else exec docker${at} system dial-stdio; fi`
  return [
    '-o',
    `ConnectTimeout=${connectTimeout}`,
    '-T',
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    '--',
    hostname,
    remote,
  ]
}

class SshStream extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams

  constructor(child: ChildProcessWithoutNullStreams) {
    super({ allowHalfOpen: true })
    this.#child = child
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause()
    })
    child.stdin.on('error', (error) => this.destroy(error))
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill()
    done(error)
  }

  ref(): void {
    this.#child.ref()
  }

  unref(): void {
    this.#child.unref()
  }
}
