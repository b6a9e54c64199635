import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root, type Daemon } from './daemon.ts'
import { finished, type Result, type RunOptions } from './run.ts'

export type ClientName = 'gantry' | 'docker'

function pathOf(name: ClientName): string | undefined {
  if (name === 'gantry') return join(root, 'bin/gantry')
  return (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => join(folder, 'docker'))
    .find((path) => existsSync(path))
}

/**
 * For `{ skip: … }`: why tests through this client cannot run, or false. `docker`: the oldest release of docker's client that
 * knows the flags in question (Debian 12 has 20.10).
 */
export function missing(name: ClientName, o: { docker?: number } = {}): string | false {
  const path = pathOf(name)
  if (path === undefined) return `no ${name} command on PATH`
  if (name !== 'docker' || o.docker === undefined) return false
  const version = /\d+/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[0]
  return Number(version) < o.docker ? `docker ${version} is too old: ${o.docker} has all the flags` : false
}

/** A daemon with one client's commands; see `system()`. */
export class Session {
  readonly client: ClientName
  readonly daemon: Daemon
  constructor(client: ClientName, daemon: Daemon) {
    this.client = client
    this.daemon = daemon
  }

  /** The command line of a client's command, for spawning and for ptys. */
  argv(args: readonly string[]): string[] {
    return [pathOf(this.client) ?? this.client, ...args]
  }

  /** Starts a command and leaves its stdin, stdout and stderr to the test. */
  spawn(args: readonly string[], options: RunOptions = {}): ChildProcessWithoutNullStreams {
    const [file = '', ...rest] = this.argv(args)
    return spawn(file, rest, {
      env: { ...this.daemon.environment(), ...options.env },
      cwd: options.cwd ?? this.daemon.home,
      stdio: 'pipe',
    })
  }

  /** Runs a command to its end, whatever its exit code. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const child = this.spawn(args, options)
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    return finished(child, `${this.client} ${args.join(' ')}`, options.timeout)
  }

  /** Runs a command that must succeed; returns its stdout without the last newline. */
  async ok(...args: string[]): Promise<string> {
    const result = await this.run(args)
    assert.equal(
      result.code,
      0,
      `${this.client} ${args.join(' ')}: ${result.code}\n${result.stderr}${result.stdout}`,
    )
    return result.stdout.replace(/\n$/, '')
  }

  /** Runs a command that must fail with this code, and whose stderr must match. */
  async fails(code: number, text: RegExp, ...args: string[]): Promise<Result> {
    const result = await this.run(args)
    const about = `${this.client} ${args.join(' ')}\nstdout: ${result.stdout}\nstderr: ${result.stderr}`
    assert.equal(result.code, code, `exit code of ${about}`)
    assert.match(result.stderr, text, about)
    return result
  }

  /** In a terminal of the given size (script(1) makes it); what arrives there is stdout, CR LF and all. */
  pty(args: readonly string[], size: { rows: number; columns: number } = { rows: 24, columns: 80 }) {
    const quoted = this.argv(args).map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    const line = `stty rows ${size.rows} cols ${size.columns}; exec ${quoted.join(' ')}`
    return spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
      env: { ...this.daemon.environment(), TERM: 'xterm', SHELL: '/bin/sh' },
      cwd: this.daemon.home,
      stdio: 'pipe',
    })
  }

  /** A fresh folder with these files, by path; it goes with the daemon. */
  folder(files: Readonly<Record<string, string>> = {}): string {
    const folder = mkdtempSync(join(this.daemon.home, 'f-'))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return folder
  }

  async inspect<T>(container: string): Promise<T> {
    return this.daemon.json<T>('GET', `/containers/${container}/json`)
  }
}
