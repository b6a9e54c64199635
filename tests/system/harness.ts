/**
 * What system tests stand on: a daemon of their own (own roots, socket, bridge, cgroup), commands run through a
 * client as a user types them, and a check after every test that the kernel and the disk are as they were before.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import { after, afterEach, before, beforeEach } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dockerArchive } from './archives.ts'
import { difference, snapshot, type Places, type Snapshot } from './leaks.ts'

export const root = dirname(dirname(import.meta.dirname))
export type ClientName = 'gantry' | 'docker'

export interface Result {
  readonly code: number
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Written to stdin, which is then closed. Without it stdin is empty from the start. */
  readonly input?: string | Uint8Array
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** Milliseconds until the command is killed and the test fails; 30 s unless told. */
  readonly timeout?: number
}

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
        new Error(`${what}: still running after ${timeout} ms\nstdout: ${text(out)}\nstderr: ${text(err)}`),
      )
    }, timeout)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, signal, stdout: text(out), stderr: text(err) })
    })
  })
}

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
  const end = Date.now() + limit
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(30)
    }
  }
}

/** A daemon of the checkout with everything its own. */
export class Daemon {
  readonly tag = randomBytes(3).toString('hex')
  readonly home = mkdtempSync('/tmp/gt-')
  readonly dataRoot = join(this.home, 'd')
  /** Short: unix sockets live here. */
  readonly execRoot = `/run/gt-${this.tag}`
  readonly socket = `${this.execRoot}/s`
  readonly pidFile = `${this.home}/pid`
  readonly bridge = `gt${this.tag}`
  readonly cgroupParent = `/gt-${this.tag}`
  #child: ChildProcessWithoutNullStreams | undefined
  #ended: Promise<Result> | undefined
  /** Flags given at every start, after the usual ones. */
  readonly flags: string[] = []

  get places(): Places {
    const { dataRoot, execRoot, bridge, cgroupParent, tag } = this
    return { dataRoot, execRoot, bridge, cgroupParent, tag }
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  arguments(): string[] {
    return [
      `--data-root=${this.dataRoot}`,
      `--exec-root=${this.execRoot}`,
      `--host=unix://${this.socket}`,
      `--pidfile=${this.pidFile}`,
      `--config-file=${this.home}/daemon.json`,
      `--bridge=${this.bridge}`,
      `--cgroup-parent=${this.cgroupParent}`,
      `--shutdown-timeout=5`,
      ...this.flags,
    ]
  }

  /** Starts it and waits until it answers. */
  async start(env: Record<string, string> = {}): Promise<void> {
    assert.equal(this.#child, undefined, 'the daemon runs already')
    mkdirSync(this.execRoot, { recursive: true })
    if (!existsSync(`${this.home}/daemon.json`))
      await command(['sh', '-c', `echo '{}' > ${this.home}/daemon.json`])
    const child = spawn(join(root, 'bin/gantryd'), this.arguments(), {
      stdio: 'pipe',
      detached: true,
      env: { ...process.env, ...env },
    })
    this.#child = child
    child.stdin.end()
    this.#ended = finished(child, 'gantryd', 2 ** 31 - 1)
    let over: Result | undefined
    void this.#ended.then((result) => {
      over = result
      this.#child = undefined
    })
    await eventually(async () => {
      if (over) return
      const { status } = await this.api('GET', '/_ping')
      assert.equal(status, 200)
    }, 20_000)
    if (over) throw new Error(`gantryd ended with ${over.code} at its start:\n${over.stdout}${over.stderr}`)
  }

  /** Asks it to stop and waits for that; its last words for tests that want them. */
  async stop(): Promise<Result | undefined> {
    if (!this.#child || !this.#ended) return undefined
    this.#child.kill('SIGTERM')
    const result = await Promise.race([this.#ended, sleep(20_000, undefined, { ref: false })])
    if (result) return result
    this.#child.kill('SIGKILL')
    await this.#ended
    throw new Error('gantryd was still running 20 s after SIGTERM')
  }

  /** As a crash: no chance to clean up. */
  async killHard(): Promise<void> {
    const ended = this.#ended
    this.#child?.kill('SIGKILL')
    await ended
  }

  /** One call of the API, past every client. A body goes as JSON, or as the tar that it is; the answer comes as text. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    const type = body instanceof Uint8Array ? 'application/x-tar' : 'application/json'
    return new Promise((resolve, reject) => {
      const call = request(
        {
          socketPath: this.socket,
          method,
          path,
          ...(body !== undefined && { headers: { 'content-type': type } }),
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
          })
        },
      )
      call.on('error', reject)
      call.end(body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body))
    })
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, text } = await this.api(method, path, body)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`)
    // Tests name the shape they look at; a wrong one fails there.
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** The environment in which both clients find this daemon and nothing of the machine's user. */
  environment(): Record<string, string> {
    const host = `unix://${this.socket}`
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.home,
      GANTRY_HOST: host,
      DOCKER_HOST: host,
      DOCKER_BUILDKIT: '0',
      DOCKER_CLI_HINTS: 'false',
      LC_ALL: 'C.UTF-8',
    }
  }

  dispose(): void {
    rmSync(this.home, { recursive: true, force: true })
    rmSync(this.execRoot, { recursive: true, force: true })
  }
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

  async inspect<T>(container: string): Promise<T> {
    return this.daemon.json<T>('GET', `/containers/${container}/json`)
  }
}

/**
 * Call inside a suite: a daemon for its tests with the image busybox, stopped at the end. Whatever containers,
 * volumes and images a test leaves are removed after it; then nothing else may be left of it.
 */
export function system(client: ClientName = 'gantry', options: { flags?: string[] } = {}): Session {
  const daemon = new Daemon()
  daemon.flags.push(...(options.flags ?? []))
  const session = new Session(client, daemon)
  let images = new Set<string>()
  let at: Snapshot | undefined
  let empty: Snapshot | undefined
  before(async () => {
    empty = snapshot(daemon.places)
    await daemon.start()
    await loadBusybox(daemon)
    // The first container makes folders that stay.
    await new Session('gantry', daemon).ok('run', '--rm', 'busybox', 'true')
    images = new Set((await listImages(daemon)).map((image) => image.Id))
  })
  beforeEach(() => {
    at = snapshot(daemon.places)
  })
  afterEach(async () => {
    if (!daemon.pid) return
    await sweep(daemon, images)
    await eventually(() => {
      const all = difference(at ?? {}, snapshot(daemon.places))
      // The kernel takes the veth of a container away a little after it: one may still have been there before the test.
      assert.deepEqual(
        all.filter((line) => !line.startsWith('link lost: gv')),
        [],
      )
    }, 5000)
  })
  after(async () => {
    try {
      if (daemon.pid) {
        await sweep(daemon, new Set())
        await daemon.stop()
      }
      // The folders of a daemon stay, what containers had in them must not; the bridge and its rules go too.
      const left = difference(empty ?? {}, snapshot(daemon.places)).filter(
        (line) => !/^(disk|run) /.test(line),
      )
      assert.deepEqual(left, [])
    } finally {
      daemon.dispose()
    }
  })
  return session
}

interface ListedImage {
  Id: string
  RepoTags: string[] | null
}
const listImages = (daemon: Daemon) => daemon.json<ListedImage[]>('GET', '/images/json')

/** Removes containers, networks, volumes, images but the given ones, and the build cache. */
export async function sweep(daemon: Daemon, keep: ReadonlySet<string>): Promise<void> {
  for (const { Id } of await daemon.json<{ Id: string }[]>('GET', '/containers/json?all=1'))
    await daemon.api('DELETE', `/containers/${Id}?force=1&v=1`)
  await daemon.api('POST', '/networks/prune')
  const { Volumes } = await daemon.json<{ Volumes: { Name: string }[] | null }>('GET', '/volumes')
  for (const { Name } of Volumes ?? []) await daemon.api('DELETE', `/volumes/${Name}`)
  await daemon.api('POST', '/build/prune?all=1')
  for (const image of await listImages(daemon)) {
    const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>')
    const drop = keep.has(image.Id) ? tags.filter((tag) => tag !== 'busybox:latest') : [image.Id]
    for (const name of drop) await daemon.api('DELETE', `/images/${encodeURIComponent(name)}?force=1`)
  }
}

let archive: Promise<Buffer> | undefined

/** The root file system of the local base image as a tar. */
export function busyboxTar(): Promise<Buffer> {
  archive ??= new Promise((resolve, reject) => {
    const child = spawn(join(root, 'tools/busybox-rootfs'), { stdio: ['ignore', 'pipe', 'inherit'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve(Buffer.concat(chunks)) : reject(new Error('busybox-rootfs')),
    )
  })
  return archive
}

async function loadBusybox(daemon: Daemon): Promise<void> {
  const config = { Cmd: ['sh'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] }
  const input = await dockerArchive({ layers: [await busyboxTar()], tags: ['busybox:latest'], config })
  const { status, text } = await daemon.api('POST', '/images/load?quiet=1', input)
  assert.equal(status, 200, text)
  assert.doesNotMatch(text, /"error"/)
}
