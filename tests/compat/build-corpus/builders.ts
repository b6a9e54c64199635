/** The two builders that the corpus goes through, and what comes out of either as lines. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuildEvent, BuildQuery } from '../../../src/wire/build.ts'
import { busyboxTar, finished, type Result } from '../../system/harness.ts'
import { dockerArchive } from '../../system/archives.ts'
import { allCases, writeFiles, type Case } from './cases.ts'
import { imageLines, readImage, type SavedImage } from './image.ts'
import { host, webAddress } from './web.ts'

/** A client's `build` command and the socket of its daemon. */
export interface Builder {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly socket: string
  /** It has Gantry's own route: most cases need no process of a client then. */
  readonly direct?: boolean
}

export function buildKit(socket: string, env: Readonly<Record<string, string>> = {}): Builder {
  const own = { DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: '1', DOCKER_CLI_HINTS: 'false' }
  return { argv: ['docker', 'build', '--progress=plain'], socket, env: { ...own, ...env } }
}

/** Gives the builder the image corpus/base; returns what is in it. */
export async function loadBase(builder: Builder): Promise<SavedImage> {
  const config = {
    Cmd: ['sh'],
    Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    Labels: { 'org.corpus.base': 'yes' },
  }
  const tags = ['corpus/base:latest']
  const archive = await dockerArchive({ layers: [await busyboxTar()], tags, config })
  await api(builder.socket, 'POST', '/images/load?quiet=1', archive)
  return await readImage(archive)
}

export interface Outcome {
  /** What must be equal: the image, or the fault and its place. */
  readonly lines: string
  /** Everything that was said. */
  readonly output: string
}

/** Builds a case (and first what it needs) and says what came out of it. */
export async function buildCase(builder: Builder, one: Case, base: SavedImage): Promise<Outcome> {
  for (const name of one.needs) {
    const needed = allCases().find((other) => other.name === name)
    if (!needed) throw new Error(`case ${one.name} needs ${name}, which is no case`)
    const { code, stderr } = await runBuild(builder, needed)
    if (code !== 0) throw new Error(`case ${name}, which ${one.name} needs: ${stderr}`)
  }
  const result = shown(await runBuild(builder, one), await webAddress())
  const output = result.stdout + result.stderr
  if (result.code !== 0) return { lines: faultLines(result).join('\n'), output }
  const saved = await api(builder.socket, 'GET', `/images/corpus/${one.name}/get`)
  const web = await webAddress()
  const lines = imageLines(await readImage(saved), base).map((line) => line.replaceAll(web, host))
  return { lines: (one.ours === undefined ? lines.map(withoutArgValues) : lines).join('\n'), output }
}

async function runBuild(builder: Builder, one: Case): Promise<Result> {
  const root = mkdtempSync(join(tmpdir(), 'corpus-'))
  try {
    mkdirSync(join(root, one.context), { recursive: true })
    const web = await webAddress()
    await writeFiles(
      root,
      one.files.map((file) => ({ ...file, text: file.text.replaceAll(host, web) })),
    )
    const query = builder.direct === true ? queryOf(one, root) : undefined
    if (query) return await buildDirectly(builder, query)
    const [file = '', ...args] = builder.argv
    const tag = ['-t', `corpus/${one.name}`]
    const child = spawn(file, [...args, ...tag, ...one.build, one.context], {
      cwd: root,
      env: { PATH: process.env['PATH'] ?? '', HOME: root, LC_ALL: 'C.UTF-8', ...builder.env, ...one.env },
    })
    child.stdin.on('error', () => {})
    child.stdin.end(one.files.find(({ path }) => path === one.stdin)?.text ?? '')
    return await finished(child, `building ${one.name}`, 60_000)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function shown(result: Result, web: string): Result {
  const { stdout, stderr } = result
  return { ...result, stdout: stdout.replaceAll(web, host), stderr: stderr.replaceAll(web, host) }
}

/** What the command line would ask for; undefined where that takes more than is done here. */
function queryOf(one: Case, root: string): BuildQuery | undefined {
  const dockerfile = one.files.find(({ path }) => path === 'Dockerfile')
  if (!dockerfile || one.stdin !== undefined || one.context !== '.' || Object.keys(one.env).length > 0)
    return undefined
  const { dev, ino } = statSync(root, { bigint: true })
  const query: BuildQuery = {
    context: { path: root, dev: String(dev), ino: String(ino) },
    dockerfile: join(root, 'Dockerfile'),
    tags: [`corpus/${one.name}`],
    buildArgs: {},
    labels: {},
    noCache: false,
  }
  for (let i = 0; i < one.build.length; i += 2) {
    const [flag = '', value = ''] = one.build.slice(i)
    const [, name = '', text = ''] = /^([^=]*)=([^]*)$/.exec(value) ?? []
    if (flag === '--target') query.target = value
    else if (flag === '--build-arg' && name !== '') query.buildArgs[name] = text
    else if (flag === '--label' && name !== '') query.labels[name] = text
    else return undefined
  }
  return query
}

async function buildDirectly(builder: Builder, query: BuildQuery): Promise<Result> {
  const path = `/gantry/build?request=${encodeURIComponent(JSON.stringify(query))}`
  const stdout = (await api(builder.socket, 'POST', path)).toString()
  const events = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as BuildEvent)
  const error = events.find((event) => event.type === 'error')
  const stderr = error ? `${error.excerpt ?? ''}ERROR: ${error.message}\n` : ''
  return { code: error ? 1 : 0, signal: null, stdout, stderr }
}

/** Newer BuildKit writes the value that counts into the history, 0.13 the one that stands there. */
function withoutArgValues(line: string): string {
  return line.startsWith('history (empty) ARG ') ? 'history (empty) ARG …' : line
}

/** The fault as BuildKit words it, and the lines of the Dockerfile that it marks. */
function faultLines({ stderr, code }: Result): string[] {
  const at =
    /^(\S+:\d+(?:-\d+)?)\n-{20}$/m.exec(stderr)?.[1] ?? /^(\S+:\d+(?:-\d+)?)(?::\d+)?$/m.exec(stderr)?.[1]
  const message = /^ERROR: ([^]*)/m.exec(stderr)?.[1] ?? stderr
  const bare = message
    .trim()
    .replace(/^failed to build: /, '')
    .replace(/^failed to solve: /, '')
    .replace(/^failed to compute cache key: /, '')
    .replace(/^failed to calculate checksum of ref(?: [\w-]+::\w+)?: /, '')
    // Where a daemon has the file system while it builds.
    .replace(/\/[^\s"]*\/(?:merged|buildkit-mount\d+)(?=\/)/, '')
  return [`fails ${code}: ${bare}`, ...(at === undefined ? [] : [`at ${at}`])]
}

export function api(socket: string, method: string, path: string, body?: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/x-tar' } : {}
    const call = request({ socketPath: socket, method, path, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const answer = Buffer.concat(chunks)
        const ok = (response.statusCode ?? 0) < 400 && !answer.subarray(0, 500).includes('"errorDetail"')
        if (ok) resolve(answer)
        else
          reject(new Error(`${method} ${path}: ${response.statusCode} ${answer.subarray(0, 500).toString()}`))
      })
    })
    call.on('error', reject)
    call.end(body)
  })
}
