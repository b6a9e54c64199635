import { list, optional, record } from './shape.ts'
import { deviceRequest } from './shared-model.ts'
import {
  bytes,
  duration,
  float,
  labels,
  optionalDuration,
  optionalWhole,
  text,
  texts,
  whole,
} from './values.ts'

const update = record({
  parallelism: optionalWhole,
  delay: duration,
  failure_action: text,
  monitor: duration,
  max_failure_ratio: float,
  order: text,
})

const resource = record({
  cpus: float,
  memory: bytes,
  pids: whole,
  devices: list(deviceRequest),
  generic_resources: list(record({ discrete_resource_spec: optional(record({ kind: text, value: whole })) })),
})

export const deploy = record({
  mode: text,
  replicas: optionalWhole,
  labels,
  update_config: optional(update),
  rollback_config: optional(update),
  resources: record({ limits: optional(resource), reservations: optional(resource) }, { embedded: true }),
  restart_policy: optional(
    record({
      condition: text,
      delay: optionalDuration,
      max_attempts: optionalWhole,
      window: optionalDuration,
    }),
  ),
  placement: record(
    {
      constraints: texts,
      preferences: list(record({ spread: text })),
      max_replicas_per_node: whole,
    },
    { embedded: true },
  ),
  endpoint_mode: text,
})
