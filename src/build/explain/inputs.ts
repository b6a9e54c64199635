import { looksSecret } from '../../lib/looks-secret.ts'
import type { Json } from '../solver/vertex.ts'

type Fields = Readonly<Record<string, Json>>

const labels: Readonly<Record<string, string>> = {
  cwd: 'WORKDIR',
  user: 'USER',
  target: 'destination',
  chown: '--chown',
  mode: '--chmod',
  path: 'path',
  network: '--network',
  excludes: '--exclude',
  link: '--link',
  parents: '--parents',
}
/** Named by their own means, or never a reason by themselves. */
const elsewhere: ReadonlySet<string> = new Set([
  'base',
  'files',
  'from',
  'args',
  'env',
  'mounts',
  'content',
  'script',
])
const maxShown = 60

/**
 * What differs between the inputs of two keys of one kind of step, the tree below and files aside. `argNames`: variables
 * that come from ARG.
 */
export function inputChanges(before: Json, after: Json, argNames: ReadonlySet<string>): string[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)]
  const changes = [
    ...commandChanges(old, now),
    ...variableChanges(listOf(old['env']), listOf(now['env']), argNames),
    ...mountChanges(old['mounts'], now['mounts']),
  ]
  for (const name of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (elsewhere.has(name) || isSame(old[name], now[name])) continue
    if (name === 'inline') changes.push('content of the here-document')
    else changes.push(`${labels[name] ?? name}: ${shown(name, old[name])} → ${shown(name, now[name])}`)
  }
  return changes
}

const isSame = (a: Json | undefined, b: Json | undefined) => JSON.stringify(a) === JSON.stringify(b)

function fieldsOf(value: Json | undefined): Fields {
  // A JSON object whose fields are read by name.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function listOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

function shown(name: string, value: Json | undefined): string {
  if (value === undefined || value === null || value === '') return 'none'
  if (name === 'mode' && typeof value === 'number') return value.toString(8)
  return clip(typeof value === 'string' ? value : JSON.stringify(value))
}

const clip = (text: string): string => (text.length > maxShown ? `${text.slice(0, maxShown - 1)}…` : text)

function commandChanges(old: Fields, now: Fields): string[] {
  const [before, after] = [listOf(old['args']), listOf(now['args'])]
  const changes: string[] = []
  if (!isSame(old['script'], now['script'])) changes.push('content of the here-document')
  if (isSame(before, after)) return changes
  const [lastBefore = '', lastAfter = ''] = [before.at(-1), after.at(-1)]
  if ([...before, ...after].some((word) => looksSecret('', word)))
    return [...changes, 'command (hidden: it looks as if it had a secret in it)']
  const shells = [before, after].map((args) => args.slice(0, -1).join(' '))
  if (shells[0] !== shells[1] && lastBefore === lastAfter)
    changes.push(`shell: ${clip(shells[0] ?? '')} → ${clip(shells[1] ?? '')}`)
  else if (shells[0] === shells[1]) changes.push(`command: ${around(lastBefore, lastAfter)}`)
  else changes.push(`command: ${around(before.join(' '), after.join(' '))}`)
  return changes
}

/** Two texts by the part in which they differ, with a little of what is around it. */
export function around(before: string, after: string): string {
  const shortest = Math.min(before.length, after.length)
  let start = 0
  while (start < shortest && before[start] === after[start]) start++
  let end = 0
  while (end < shortest - start && before.at(-1 - end) === after.at(-1 - end)) end++
  const context = 12
  const from = start > context + 8 ? start - context : 0
  const part = (text: string) => {
    const until = end > context + 8 ? text.length - end + context : text.length
    return JSON.stringify(
      clip(`${from > 0 ? '…' : ''}${text.slice(from, until)}${until < text.length ? '…' : ''}`),
    )
  }
  return `${part(before)} → ${part(after)}`
}

function variableChanges(before: string[], after: string[], argNames: ReadonlySet<string>): string[] {
  const [old, now] = [toMap(before), toMap(after)]
  const changes: string[] = []
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(name), now.get(name)]
    if (was === is) continue
    const label = `${argNames.has(name) ? 'ARG' : 'ENV'} ${name}`
    if (looksSecret(name, was) || looksSecret(name, is)) changes.push(`${label} (value hidden)`)
    else if (was === undefined) changes.push(`${label}: added ${quote(is)}`)
    else if (is === undefined) changes.push(`${label}: removed`)
    else changes.push(`${label}: ${quote(was)}→${quote(is)}`)
  }
  return changes
}

const quote = (text: string | undefined): string => JSON.stringify(clip(text ?? ''))

function toMap(env: readonly string[]): Map<string, string> {
  return new Map(
    env.map((entry) => {
      const equals = entry.indexOf('=')
      return [entry.slice(0, equals), entry.slice(equals + 1)]
    }),
  )
}

/** By where they are mounted; their files are compared elsewhere. */
function mountChanges(before: Json | undefined, after: Json | undefined): string[] {
  const byTarget = (value: Json | undefined) =>
    new Map(
      (Array.isArray(value) ? value : []).map((mount: Json) => {
        const { content: _content, layers: _layers, ...rest } = fieldsOf(mount)
        const name = rest['target'] ?? rest['id']
        return [typeof name === 'string' ? name : '', rest]
      }),
    )
  const [old, now] = [byTarget(before), byTarget(after)]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((target) => {
    const [was, is] = [old.get(target), now.get(target)]
    if (!was) return [`mount ${target}: added`]
    if (!is) return [`mount ${target}: removed`]
    return isSame(was, is) ? [] : [`mount ${target}: other options`]
  })
}
