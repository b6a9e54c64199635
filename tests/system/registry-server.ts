/** A registry server of the checkout as people start it: `gantry registry serve`. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { command, finished, root, type Result } from './harness.ts'

export class RegistryServer {
  readonly flags: readonly string[]
  #child: ChildProcessWithoutNullStreams
  #ended: Promise<Result>
  #address = ''

  private constructor(flags: readonly string[], child: ChildProcessWithoutNullStreams) {
    this.flags = flags
    this.#child = child
    this.#ended = finished(child, 'gantry registry serve', 2 ** 31 - 1)
  }

  /** On a free port unless the flags have `--listen`; resolves once it serves. */
  static async start(...flags: string[]): Promise<RegistryServer> {
    const listen = flags.some((flag) => flag.startsWith('--listen')) ? [] : ['--listen=127.0.0.1:0']
    const child = spawn(join(root, 'bin/gantry'), ['registry', 'serve', ...listen, ...flags], {
      stdio: 'pipe',
      env: { PATH: process.env['PATH'] ?? '', ...awsOf(process.env) },
    })
    child.stdin.end()
    const server = new RegistryServer(flags, child)
    await server.#ready()
    return server
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** With its scheme. */
  get url(): string {
    return this.#address
  }

  /** As in the names of images. */
  get host(): string {
    return this.#address.replace(/^https?:\/\//, '')
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** An orderly end; its log. */
  async stop(): Promise<Result> {
    this.signal('SIGTERM')
    return await this.#ended
  }

  /** As a crash: no chance to clean up. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#ended
  }

  /** Once more at the same address. */
  async again(...flags: string[]): Promise<RegistryServer> {
    return await RegistryServer.start(`--listen=${this.host}`, ...this.flags, ...flags)
  }

  async #ready(): Promise<void> {
    let log = ''
    const address = Promise.withResolvers<string>()
    this.#child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      const line = log.split('\n').find((text) => text.includes('"msg":"ready"'))
      if (line !== undefined) address.resolve((JSON.parse(line) as { address: string }).address)
    })
    const over = this.#ended.then((result) => {
      throw new Error(`the registry ended with ${result.code}: ${result.stderr}`)
    })
    over.catch(() => {})
    this.#address = await Promise.race([address.promise, over])
  }
}

function awsOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('AWS_')))
}

/** For `{ skip: … }`: why tests with a program cannot run, or false. */
export function missingProgram(name: string): string | false {
  const found = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, name)))
  return found ? false : `no ${name} on PATH`
}

/** Runs a program that must succeed; what it said. */
export async function succeeds(argv: readonly string[], env: Record<string, string>): Promise<string> {
  const result = await command(argv, { timeout: 60_000, env })
  assert.equal(result.code, 0, `${argv.join(' ')}: ${result.code}\n${result.stderr}${result.stdout}`)
  return result.stdout.trim()
}

/** What `fetch` got, read to its end. */
export async function get(
  url: string,
  o: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(url, o)
  return { status: response.status, text: await response.text(), headers: response.headers }
}

/** Pushes a blob in one request; returns the answer's status. */
export async function putBlob(
  server: RegistryServer,
  name: string,
  o: { data: Buffer; digest: string; headers?: Record<string, string> },
): Promise<number> {
  const begun = await get(`${server.url}/v2/${name}/blobs/uploads/`, { method: 'POST', ...o })
  assert.equal(begun.status, 202, begun.text)
  const location = new URL(begun.headers.get('location') ?? '', server.url)
  location.searchParams.set('digest', o.digest)
  const body = new Uint8Array(o.data)
  return (await get(location.href, { method: 'PUT', body, headers: o.headers ?? {} })).status
}
