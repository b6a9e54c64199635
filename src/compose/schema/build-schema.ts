/** Compose Build Specification, and the Develop Specification. */
import { either, flag, list, number, oneOf, pairs, record, text, textOrTexts, value } from './rule.ts'
import { command, extraHosts, fileReferences, ulimits } from './shared-schema.ts'

export const build = either(
  text,
  record({
    context: text,
    dockerfile: text,
    dockerfile_inline: text,
    entitlements: list(text),
    args: pairs,
    ssh: pairs,
    labels: pairs,
    cache_from: list(text),
    cache_to: list(text),
    no_cache: flag,
    no_cache_filter: textOrTexts,
    additional_contexts: pairs,
    network: text,
    provenance: flag,
    sbom: flag,
    pull: flag,
    target: text,
    shm_size: number,
    extra_hosts: extraHosts,
    isolation: text,
    privileged: flag,
    secrets: fileReferences,
    tags: list(text),
    ulimits,
    platforms: list(text),
  }),
)

export const hook = record({ command, user: text, privileged: flag, working_dir: text, environment: pairs }, [
  'command',
])

export const develop = record({
  watch: list(
    record(
      {
        ignore: textOrTexts,
        include: textOrTexts,
        path: text,
        action: oneOf('rebuild', 'sync', 'restart', 'sync+restart', 'sync+exec'),
        target: text,
        exec: hook,
        initial_sync: value('boolean'),
      },
      ['path', 'action'],
    ),
  ),
})
