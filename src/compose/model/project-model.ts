/** What Compose files come to: the model that the commands work with. */
import type { Node, Place } from '../node.ts'
import type { Environment } from '../scope.ts'
import { service, type Service } from './service-model.ts'
import { list, record, type Model } from './shape.ts'
import { flag, labels, optionalFlag, text, texts, whole } from './values.ts'

const pool = record({ subnet: text, gateway: text, ip_range: text, aux_addresses: labels })

export const network = record({
  name: text,
  driver: text,
  driver_opts: labels,
  ipam: record({ driver: text, config: list(pool) }, { embedded: true }),
  external: flag,
  internal: flag,
  attachable: flag,
  labels,
  enable_ipv4: optionalFlag,
  enable_ipv6: optionalFlag,
})

export const volume = record({ name: text, driver: text, driver_opts: labels, external: flag, labels })

const fileObject = {
  name: text,
  file: text,
  environment: text,
  content: text,
  external: flag,
  labels,
  driver: text,
  driver_opts: labels,
  template_driver: text,
}
export const secret = record(fileObject)
export const config = record(fileObject)
export const model = record({ name: text, model: text, context_size: whole, runtime_flags: texts })

export type Network = Model<typeof network>
export type Volume = Model<typeof volume>
export type FileObject = Model<typeof secret>

export interface Project {
  readonly name: string
  /** Between the parts of a container's name, and of an image's that has none: `_` for compatibility with docker-compose v1. */
  readonly separator: '-' | '_'
  /** Absolute; relative paths begin here. */
  readonly folder: string
  /** Absolute, in the order in which they were given; `-` is standard input. */
  readonly files: readonly string[]
  /** As told, for the label of containers. */
  readonly envFiles: readonly string[]
  readonly environment: Environment
  /** The lines of env files that variables come from. */
  readonly sources: ReadonlyMap<string, Place>
  /** By name; those of profiles that are not active are in `disabled`. */
  readonly services: ReadonlyMap<string, Service>
  readonly disabled: ReadonlyMap<string, Service>
  readonly networks: ReadonlyMap<string, Network>
  readonly volumes: ReadonlyMap<string, Volume>
  readonly secrets: ReadonlyMap<string, FileObject>
  readonly configs: ReadonlyMap<string, FileObject>
  readonly models: ReadonlyMap<string, Model<typeof model>>
  readonly extensions: ReadonlyMap<string, Node>
  /** Long forms with the place of every value. */
  readonly tree: Node
}

export { service, type Service }
