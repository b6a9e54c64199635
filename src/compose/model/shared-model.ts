import { ComposeError, get, type Node } from '../node.ts'
import { Fields } from '../out.ts'
import { dict, record, type Shape } from './shape.ts'
import { fileMode, labels, text, texts, whole } from './values.ts'

/** A secret or config in a container. */
export const fileReference = record({ source: text, target: text, uid: text, gid: text, mode: fileMode })

export interface Ulimit {
  readonly soft: number
  readonly hard: number
  /** Written as one number. */
  readonly single: boolean
}

const ulimit: Shape<Ulimit> = {
  absent: { soft: 0, hard: 0, single: true },
  read: (node, path) => {
    const part = (key: string): number => {
      const found = get(node, key)
      return found ? whole.read(found, `${path}.${key}`) : 0
    }
    if (node.kind === 'scalar') {
      const limit = whole.read(node, path)
      return { soft: limit, hard: limit, single: true }
    }
    return { soft: part('soft'), hard: part('hard'), single: false }
  },
  // Docker compose: in JSON, and so in hashes, what is 0 is left out.
  write: ({ soft, hard, single }, format) => {
    if (single && soft !== 0) return soft
    const limits: [string, number][] = [
      ['soft', soft],
      ['hard', hard],
    ]
    return new Fields(limits.filter(([, limit]) => format === 'yaml' || limit !== 0))
  },
}

export const ulimits = dict(ulimit)

/** How many devices; `all` is -1. */
const deviceCount: Shape<number> = {
  ...whole,
  read: (node: Node, path) => {
    if (node.kind !== 'scalar') return whole.read(node, path)
    if (typeof node.value === 'string' && node.value.toLowerCase() === 'all') return -1
    if (typeof node.value === 'string' && !/^\d+$/.test(node.value))
      throw new ComposeError(
        node.at,
        `${path}: invalid value ${JSON.stringify(node.value)}, the only value allowed is 'all' or a number`,
      )
    return whole.read(node, path)
  },
}

export const deviceRequest = record({
  capabilities: texts,
  driver: text,
  count: deviceCount,
  device_ids: texts,
  options: labels,
})
