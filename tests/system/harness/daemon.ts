import assert from 'node:assert/strict'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Places } from '../leaks.ts'
import { eventually, finished, patience, type Result } from './run.ts'

/** The checkout. */
export const root = dirname(dirname(dirname(import.meta.dirname)))

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
    if (!existsSync(`${this.home}/daemon.json`)) writeFileSync(`${this.home}/daemon.json`, '{}\n')
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
    const result = await Promise.race([this.#ended, sleep(20_000 * patience, undefined, { ref: false })])
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
