import { EngineError } from '../../lib/errors.ts'
import type { CacheItem } from './item.ts'

/** True for the items that somebody means. */
export type CacheFilter = (item: CacheItem) => boolean

/** What can be asked of an item, by BuildKit's names. Switches are there with an empty value, or not there. */
const fields: Readonly<Record<string, (item: CacheItem) => string | undefined>> = {
  id: (item) => item.id,
  parent: (item) => item.parents.join(';'),
  parents: (item) => item.parents.join(';'),
  description: (item) => item.description,
  type: (item) => item.type,
  inuse: (item) => (item.inUse ? '' : undefined),
  mutable: (item) => (item.mutable ? '' : undefined),
  immutable: (item) => (item.mutable ? undefined : ''),
  shared: (item) => (item.shared ? '' : undefined),
  private: (item) => (item.shared ? undefined : ''),
}
const switches: ReadonlySet<string> = new Set(['inuse', 'mutable', 'immutable', 'shared', 'private'])

/**
 * Filters as BuildKit writes them: `type==regular,shared` wants both, several texts want any of them; `id~=^4f` is a
 * regular expression, `!=` its opposite. None: everything. Throws kind `invalid` naming what is wrong.
 */
export function parseCacheFilter(texts: readonly string[]): CacheFilter {
  const alternatives = texts.map((text) => text.split(',').map(parseCondition))
  if (alternatives.length === 0) return () => true
  return (item) => alternatives.some((all) => all.every((holds) => holds(item)))
}

function parseCondition(text: string): CacheFilter {
  const match = /^\s*([a-z-]+)\s*(?:(==|!=|~=|=)\s*(.*?))?\s*$/s.exec(text)
  const name = match?.[1] ?? ''
  const read = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (!match || !read)
    throw new EngineError(
      'invalid',
      `invalid filter ${JSON.stringify(text)}: a build cache knows ${Object.keys(fields).join(', ')}`,
    )
  const [, , operator, value = ''] = match
  if (operator === undefined) return (item) => read(item) !== undefined
  if (switches.has(name)) {
    if (!/^(?:true|false|1|0)?$/.test(value) || operator === '~=')
      throw new EngineError('invalid', `invalid filter ${JSON.stringify(text)}: want true or false`)
    const wanted = (value !== 'false' && value !== '0') === (operator !== '!=')
    return (item) => (read(item) !== undefined) === wanted
  }
  if (operator === '~=') {
    const pattern = expressionOf(text, value)
    return (item) => pattern.test(read(item) ?? '')
  }
  return (item) => (read(item) === value) === (operator !== '!=')
}

function expressionOf(text: string, value: string): RegExp {
  try {
    if (value.length > 256) throw new Error('longer than 256 characters')
    return new RegExp(value)
  } catch (cause) {
    throw new EngineError('invalid', `invalid filter ${JSON.stringify(text)}: not a regular expression`, {
      cause,
    })
  }
}

/** Docker's form (`type=regular`, `id=4f`): an id is found by a part of it; values of one key are alternatives. */
export function cacheFilterOf(values: Readonly<Record<string, readonly string[]>>): CacheFilter {
  const all = Object.entries(values).map(([key, list]) => {
    const any = list.map((value) => {
      if (key === 'id') return (item: CacheItem) => item.id.includes(value)
      return parseCondition(value === '' ? key : `${key}==${value}`)
    })
    return (item: CacheItem) => any.length === 0 || any.some((matches) => matches(item))
  })
  return (item) => all.every((matches) => matches(item))
}
