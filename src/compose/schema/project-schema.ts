/** The top level of a Compose file. */
import {
  closed,
  dict,
  either,
  list,
  name,
  nothing,
  options,
  pairs,
  record,
  text,
  textOrTexts,
  value,
  flag,
} from './rule.ts'
import { service } from './service-schema.ts'
import { external } from './shared-schema.ts'

const network = either(
  nothing,
  record({
    name: text,
    driver: text,
    driver_opts: options,
    ipam: record({
      driver: text,
      config: list(record({ subnet: text, ip_range: text, gateway: text, aux_addresses: dict(text) })),
      options: dict(text),
    }),
    external,
    internal: flag,
    enable_ipv4: flag,
    enable_ipv6: flag,
    attachable: flag,
    labels: pairs,
  }),
)

const volume = either(
  nothing,
  record({ name: text, driver: text, driver_opts: options, external, labels: pairs }),
)

const secret = record({
  name: text,
  environment: text,
  file: text,
  external,
  labels: pairs,
  driver: text,
  driver_opts: options,
  template_driver: text,
})

const config = record({
  name: text,
  content: text,
  environment: text,
  file: text,
  external,
  labels: pairs,
  template_driver: text,
})

const model = record({ name: text, model: text, context_size: value('integer'), runtime_flags: list(text) }, [
  'model',
])

export const project = record({
  version: text,
  name: text,
  include: list(either(text, closed({ path: textOrTexts, env_file: textOrTexts, project_directory: text }))),
  services: dict(service, name),
  models: dict(model, name),
  networks: dict(network, name),
  volumes: dict(volume, name),
  secrets: dict(secret, name),
  configs: dict(config, name),
})
