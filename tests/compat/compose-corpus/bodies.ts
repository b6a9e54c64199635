/** What clients of Compose send to make a project, in a form that can be compared. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { RecordingEngine, Sent } from '../recording-engine.ts'
import type { Case } from './cases.ts'

/** `POST /containers/create demo-web-1` → each value by its path. */
export type Bodies = Record<string, Record<string, unknown>>

export interface Created {
  readonly bodies: Bodies
  /** What was refused; empty when nothing was. */
  readonly fault: string
}

/** `argv`: the program, up to the word `compose`. */
export async function createdBy(
  argv: readonly string[],
  { one, own, engine }: { one: Case; own: string; engine: RecordingEngine },
): Promise<Created> {
  const [file = '', ...before] = argv
  const flags = one.run.slice(0, one.run.indexOf('config'))
  const child = spawn(file, [...before, ...flags, 'create', '--no-build', '--pull=never', '-y'], {
    cwd: join(own, one.cwd),
    env: { HOME: '/home/user', PATH: process.env['PATH'], ...one.env, DOCKER_HOST: engine.address },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 30_000,
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise((resolve) => child.once('close', resolve))
  const bodies = engine.take().map((each) => [`${each.path} ${each.name}`, comparable(each, own)])
  return { bodies: Object.fromEntries(bodies) as Bodies, fault: code === 0 ? '' : said }
}

/** What engines treat alike is alike: no value, an empty one, an order that says nothing. */
function comparable({ body }: Sent, own: string): Record<string, unknown> {
  const flat: Record<string, unknown> = {}
  const visit = (value: unknown, path: readonly string[]) => {
    const key = path.at(-1) ?? ''
    if (skipped(path)) return
    if (Array.isArray(value) && !inOrder.has(key)) {
      const items = value.map((item) => shown(item, own)).toSorted()
      if (items.length > 0) flat[path.join('.')] = [...new Set(items)]
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, item] of Object.entries(value)) visit(item, [...path, name])
      if (path.at(-2) === 'ExposedPorts') flat[`ExposedPorts.${key.replace(/^\d+$/, '$&/tcp')}`] = {}
    } else if (meansSomething(key, value)) flat[path.join('.')] = textOf(key, value, own)
  }
  visit(body, [])
  return Object.fromEntries(Object.entries(flat).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const inOrder = new Set(['Cmd', 'Entrypoint', 'Test'])
/** Where none is something else than nothing. */
const told = new Set([
  'Init',
  'OomKillDisable',
  'PidsLimit',
  'MemorySwappiness',
  'EnableIPv4',
  'EnableIPv6',
  ...inOrder,
])

function meansSomething(key: string, value: unknown): boolean {
  if (value === undefined || value === null) return false
  return told.has(key) || !(value === '' || value === 0 || value === false)
}

/** Gantry's own labels; addresses that docker compose says twice. */
function skipped(path: readonly string[]): boolean {
  const [key = '', , parent] = path.toReversed()
  return (
    key.startsWith('dev.gantry.') || (parent === 'EndpointsConfig' && /^(IPAddress|IPv6Gateway)$/.test(key))
  )
}

function textOf(key: string, value: unknown, own: string): unknown {
  if (key.endsWith('.depends_on')) return String(value).split(',').toSorted().join()
  return typeof value === 'string' ? value.replaceAll(own, '$DIR') : value
}

function shown(item: unknown, own: string): string {
  const text = typeof item === 'string' ? item : JSON.stringify(sorted(item))
  return text.replaceAll(own, '$DIR').replace(/^CAP_/, '')
}

/** An object with its keys in order, without what says nothing. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value)
    .map(([key, item]) => [key, sorted(item)] as const)
    .filter(([key, item]) => meansSomething(key, item) && JSON.stringify(item) !== '{}')
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
