/** What several sections of the specification have in common. */
import {
  closed,
  count,
  dict,
  either,
  list,
  nothing,
  number,
  record,
  set,
  text,
  texts,
  value,
  pairs,
} from './rule.ts'

export const command = either(nothing, text, list(text))
export const extraHosts = either(dict(either(text, list(text))), set(text))
export const fileReferences = list(
  either(text, record({ source: text, target: text, uid: text, gid: text, mode: number })),
)
export const ulimits = dict(either(count, record({ hard: count, soft: count }, ['soft', 'hard'])), /^[a-z]+$/)
export const deviceFields = {
  capabilities: texts,
  count,
  device_ids: texts,
  driver: text,
  options: pairs,
}
export const blkioLimits = list(closed({ path: text, rate: count }))
export const blkioWeights = list(closed({ path: text, weight: count }))
export const external = either(value('boolean', 'string'), record({ name: text }))
