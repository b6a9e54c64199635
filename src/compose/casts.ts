/** Texts as the numbers and booleans that a key wants: after interpolation everything is text. */
import { ComposeError, scalar, type Scalar } from './node.ts'
import { PathTable } from './path-table.ts'

/** `name` is the key's, for faults. */
type Cast = (text: string, node: Scalar, name: string) => Scalar

const boolean: Cast = (text, node, name) => scalar(booleanOf(text, node, name), node.at)

/** https://yaml.org/type/bool.html, and the numbers, as docker compose takes them. */
export function booleanOf(text: string, node: Scalar, name = ''): boolean {
  switch (text.toLowerCase()) {
    case '1':
    case 't':
    case 'true':
    case 'y':
    case 'yes':
    case 'on':
      return true
    case '0':
    case 'f':
    case 'false':
    case 'n':
    case 'no':
    case 'off':
      return false
    default:
      throw new ComposeError(node.at, `${prefix(name)}invalid boolean: ${text}`)
  }
}

const integer: Cast = (text, node, name) => scalar(integerOf(text, node, name), node.at)

export function integerOf(text: string, node: Scalar, name = ''): number {
  if (!/^[-+]?\d+$/.test(text))
    throw new ComposeError(node.at, `${prefix(name)}invalid integer: ${JSON.stringify(text)}`)
  return Number(text)
}

const float: Cast = (text, node, name) => ({
  ...scalar(floatOf(text, node, name), node.at),
  float: true,
})

export function floatOf(text: string, node: Scalar, name = ''): number {
  if (!/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text))
    throw new ComposeError(node.at, `${prefix(name)}invalid number: ${JSON.stringify(text)}`)
  return Number(text)
}

function prefix(name: string): string {
  return name === '' ? '' : `${name}: `
}

const service = {
  cpu_count: integer,
  cpu_percent: float,
  cpu_period: integer,
  cpu_quota: integer,
  cpu_rt_period: integer,
  cpu_rt_runtime: integer,
  cpus: float,
  cpu_shares: integer,
  init: boolean,
  'depends_on.*.required': boolean,
  'depends_on.*.restart': boolean,
  'deploy.replicas': integer,
  'deploy.update_config.parallelism': integer,
  'deploy.update_config.max_failure_ratio': float,
  'deploy.rollback_config.parallelism': integer,
  'deploy.rollback_config.max_failure_ratio': float,
  'deploy.restart_policy.max_attempts': integer,
  'deploy.placement.max_replicas_per_node': integer,
  'healthcheck.retries': integer,
  'healthcheck.disable': boolean,
  oom_kill_disable: boolean,
  oom_score_adj: integer,
  pids_limit: integer,
  'ports.*.target': integer,
  privileged: boolean,
  read_only: boolean,
  scale: integer,
  stdin_open: boolean,
  tty: boolean,
  'ulimits.*': integer,
  'ulimits.*.hard': integer,
  'ulimits.*.soft': integer,
  'volumes.*.read_only': boolean,
  'volumes.*.volume.nocopy': boolean,
}

/** What docker compose casts as soon as variables are replaced, before it looks at the schema. */
export const casts = new PathTable<Cast>({
  ...Object.fromEntries(Object.entries(service).map(([key, cast]) => [`services.*.${key}`, cast])),
  'networks.*.external': boolean,
  'networks.*.internal': boolean,
  'networks.*.attachable': boolean,
  'volumes.*.external': boolean,
  'secrets.*.external': boolean,
  'configs.*.external': boolean,
})
