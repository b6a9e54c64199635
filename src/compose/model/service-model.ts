/** A service with all forms long, all variables replaced and all defaults in place. */
import { Fields } from '../out.ts'
import { build, develop, hook } from './build-model.ts'
import { deploy } from './deploy-model.ts'
import { dict, list, optional, orNull, record, type Model, type Shape } from './shape.ts'
import { deviceRequest, fileReference, ulimits } from './shared-model.ts'
import {
  bytes,
  command,
  flag,
  float,
  healthTest,
  hosts,
  labels,
  optionalDuration,
  optionalFlag,
  optionalWhole,
  text,
  texts,
  variables,
  whole,
} from './values.ts'

const capitals = { path: 'Path', weight: 'Weight', rate: 'Rate' }
const throttle = list(record({ path: text, rate: bytes }, { json: capitals }))

const blkio = record({
  weight: whole,
  weight_device: list(record({ path: text, weight: whole }, { json: capitals })),
  device_read_bps: throttle,
  device_read_iops: throttle,
  device_write_bps: throttle,
  device_write_iops: throttle,
})

const healthcheck = record({
  test: healthTest,
  timeout: optionalDuration,
  interval: optionalDuration,
  retries: optionalWhole,
  start_period: optionalDuration,
  start_interval: optionalDuration,
  disable: flag,
})

const network = record({
  aliases: texts,
  driver_opts: labels,
  gw_priority: whole,
  interface_name: text,
  ipv4_address: text,
  ipv6_address: text,
  link_local_ips: texts,
  mac_address: text,
  priority: whole,
})

const port = record({
  name: text,
  mode: text,
  host_ip: text,
  target: whole,
  published: text,
  protocol: text,
  app_protocol: text,
})

const mount = record({
  type: text,
  source: text,
  target: text,
  read_only: flag,
  consistency: text,
  bind: optional(record({ selinux: text, propagation: text, create_host_path: flag, recursive: text })),
  volume: optional(record({ labels, nocopy: flag, subpath: text })),
  tmpfs: optional(record({ size: bytes, mode: whole })),
  image: optional(record({ subpath: text })),
})

const envFileRecord = record({ path: text, required: flag, format: text })

/** Docker: one that must be there is its path; JSON, which the hash is made of, forgets its format. */
const envFile: Shape<Model<typeof envFileRecord>> = {
  ...envFileRecord,
  write: (file, target) =>
    file.required && (file.format === '' || target === 'json')
      ? file.path
      : new Fields([
          ['path', file.path],
          ['required', file.required],
          ...(file.format === '' ? [] : [['format', file.format] as const]),
        ]),
}

const dependency = record({ condition: text, restart: flag, required: optional(flag) })

export const service = record({
  profiles: texts,
  annotations: labels,
  attach: optionalFlag,
  build: optional(build),
  develop: optional(develop),
  blkio_config: optional(blkio),
  cap_add: texts,
  cap_drop: texts,
  cgroup_parent: text,
  cgroup: text,
  cpu_count: whole,
  cpu_percent: float,
  cpu_period: whole,
  cpu_quota: whole,
  cpu_rt_period: whole,
  cpu_rt_runtime: whole,
  cpus: float,
  cpuset: text,
  cpu_shares: whole,
  command,
  configs: list(fileReference),
  container_name: text,
  credential_spec: optional(record({ config: text, file: text, registry: text })),
  depends_on: dict(dependency),
  deploy: optional(deploy),
  device_cgroup_rules: texts,
  devices: list(record({ source: text, target: text, permissions: text })),
  dns: texts,
  dns_opt: texts,
  dns_search: texts,
  domainname: text,
  entrypoint: command,
  provider: optional(record({ type: text, options: dict(texts) })),
  environment: variables,
  env_file: list(envFile),
  expose: texts,
  external_links: texts,
  extra_hosts: hosts,
  group_add: texts,
  gpus: list(deviceRequest),
  hostname: text,
  healthcheck: optional(healthcheck),
  image: text,
  init: optionalFlag,
  ipc: text,
  isolation: text,
  labels,
  label_file: texts,
  links: texts,
  logging: optional(record({ driver: text, options: labels })),
  mem_limit: bytes,
  mem_reservation: bytes,
  memswap_limit: bytes,
  mem_swappiness: bytes,
  mac_address: text,
  models: dict(orNull(record({ endpoint_var: text, model_var: text }))),
  network_mode: text,
  networks: dict(orNull(network)),
  oom_kill_disable: flag,
  oom_score_adj: whole,
  pid: text,
  pids_limit: whole,
  platform: text,
  ports: list(port),
  privileged: flag,
  pull_policy: text,
  read_only: flag,
  restart: text,
  runtime: text,
  scale: optionalWhole,
  secrets: list(fileReference),
  security_opt: texts,
  shm_size: bytes,
  stdin_open: flag,
  stop_grace_period: optionalDuration,
  stop_signal: text,
  storage_opt: labels,
  sysctls: labels,
  tmpfs: texts,
  tty: flag,
  ulimits,
  use_api_socket: flag,
  user: text,
  userns_mode: text,
  uts: text,
  volumes: list(mount),
  volumes_from: texts,
  working_dir: text,
  post_start: list(hook),
  pre_stop: list(hook),
})

export type Service = Model<typeof service>
