/**
 * The configuration of a service as it is kept on its containers, so that a later `up` can name what changed. Values that look like
 * secrets are kept as digests: enough to see that they changed.
 */
import { createHash } from 'node:crypto'
import { looksSecret } from '../lib/looks-secret.ts'
import type { Service } from './model/service-model.ts'
import { hashedConfig } from './service-hash.ts'

/** A label is no place for more; beyond it changes are seen, but not named. */
const maxText = 64 * 1024

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export function configText(service: Service): string {
  const text = JSON.stringify(masked(JSON.parse(hashedConfig(service)) as Json, ''))
  return text.length > maxText ? '' : text
}

/** One change, as people read it: `environment.LOG_LEVEL: info → debug`. */
export interface Change {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
}

/** What changed between the text of a label and the service as it is wanted; undefined when the label says nothing. */
export function configChanges(before: string, service: Service): Change[] | undefined {
  if (before === '') return undefined
  let old: Json
  try {
    old = JSON.parse(before) as Json
  } catch {
    // Anyone can write labels: one that we did not is as good as none.
    return undefined
  }
  return differences(old, masked(JSON.parse(hashedConfig(service)) as Json, ''), '')
}

export function changeText({ path, before, after }: Change): string {
  if (before === undefined) return `${path}: ${after ?? ''} added`
  if (after === undefined) return `${path}: ${before} removed`
  return `${path}: ${before} → ${after}`
}

const digestMark = 'sha256:'

function masked(value: Json, key: string): Json {
  if (typeof value === 'string') return looksSecret(key, value) ? digestOf(key, value) : value
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => masked(item, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, masked(item, name)]))
}

/** Short: to tell two values apart is all it is for, and too little to guess a good one by. */
function digestOf(key: string, value: string): string {
  return `${digestMark}${createHash('sha256').update(`${key}\0${value}`).digest('hex').slice(0, 8)}`
}

function differences(before: Json | undefined, after: Json | undefined, path: string): Change[] {
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
    return keys.flatMap((key) =>
      differences(before[key] ?? undefined, after[key] ?? undefined, path === '' ? key : `${path}.${key}`),
    )
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  if (before === undefined && isObject(after))
    return Object.entries(after).flatMap(([key, value]) => differences(undefined, value, join(path, key)))
  if (after === undefined && isObject(before))
    return Object.entries(before).flatMap(([key, value]) => differences(value, undefined, join(path, key)))
  return [{ path, before: shown(before), after: shown(after) }]
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One line, and not a long one. */
function shown(value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.startsWith(digestMark)) return '(secret)'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const line = text.replace(/\p{Cc}+/gu, ' ')
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}
