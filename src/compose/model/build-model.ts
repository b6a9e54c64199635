import { list, record, type Shape } from './shape.ts'
import { fileReference, ulimits } from './shared-model.ts'
import { bytes, command, flag, hosts, labels, text, texts, variables } from './values.ts'

/** `default`, or the name of an agent's socket or key. */
const ssh: Shape<ReadonlyMap<string, string | null>> = {
  ...variables,
  write: (values) =>
    values.size === 0
      ? undefined
      : Array.from(values)
          .map(([id, path]) => (path === null || path === '' ? id : `${id}=${path}`))
          .toSorted((a, b) => (a < b ? -1 : 1)),
}

export const build = record({
  context: text,
  dockerfile: text,
  dockerfile_inline: text,
  entitlements: texts,
  args: variables,
  provenance: text,
  sbom: text,
  ssh,
  labels,
  cache_from: texts,
  cache_to: texts,
  no_cache: flag,
  no_cache_filter: texts,
  additional_contexts: labels,
  pull: flag,
  extra_hosts: hosts,
  isolation: text,
  network: text,
  target: text,
  secrets: list(fileReference),
  shm_size: bytes,
  tags: texts,
  ulimits,
  platforms: texts,
  privileged: flag,
})

export const hook = record(
  { command, user: text, privileged: flag, working_dir: text, environment: variables },
  { embedded: true },
)

const trigger = record({
  path: text,
  action: text,
  target: text,
  exec: hook,
  include: texts,
  ignore: texts,
  initial_sync: flag,
})

export const develop = record({ watch: list(trigger) })
