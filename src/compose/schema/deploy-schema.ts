/** Compose Deploy Specification. */
import { count, either, list, nothing, number, oneOf, pairs, range, record, text } from './rule.ts'
import { deviceFields } from './shared-schema.ts'

const update = record({
  parallelism: range(0),
  delay: text,
  failure_action: text,
  monitor: text,
  max_failure_ratio: number,
  order: oneOf('start-first', 'stop-first'),
})

export const deploy = either(
  nothing,
  record({
    mode: text,
    endpoint_mode: text,
    replicas: range(0),
    labels: pairs,
    rollback_config: update,
    update_config: update,
    resources: record({
      limits: record({ cpus: number, memory: text, pids: count }),
      reservations: record({
        cpus: number,
        memory: text,
        generic_resources: list(record({ discrete_resource_spec: record({ kind: text, value: number }) })),
        devices: list(record(deviceFields, ['capabilities'])),
      }),
    }),
    restart_policy: record({ condition: text, delay: text, max_attempts: range(0), window: text }),
    placement: record({
      constraints: list(text),
      preferences: list(record({ spread: text })),
      max_replicas_per_node: range(0),
    }),
  }),
)
