/** From a service to the body of `POST /containers/create`, field by field as docker compose 2.40 sends it. */
import type { ContainerCreateBody, ContainerSummary, HealthConfig } from '../../wire/container.ts'
import { configLabel, identityLabels, label, type ContainerIdentity } from '../labels.ts'
import { configText } from '../config-text.ts'
import type { Service } from '../model/service-model.ts'
import { serviceHash } from '../service-hash.ts'
import { endpoints, linksOf, primaryNetwork } from './endpoints.ts'
import { hostConfig } from './host-config.ts'
import { imageOf } from '../image-name.ts'
import { exposedPorts } from './port-bindings.ts'
import { withReferences, type FindContainer } from './references.ts'

export interface BodyOptions extends ContainerIdentity {
  /** Ids of containers that this one shares something with. */
  readonly find: FindContainer
  /** Id of the image; absent while nobody knows it. */
  readonly image?: string | undefined
  /** The container whose anonymous volumes it takes over. */
  readonly inherit?: ContainerSummary | undefined
  /** Where the image wants volumes. */
  readonly imageVolumes?: readonly string[]
  /** Variables of proxies, beneath those of the service. */
  readonly proxies?: Readonly<Record<string, string>> | undefined
  readonly labels?: Readonly<Record<string, string>>
  readonly attachStdin?: boolean
  readonly autoRemove?: boolean
  /** False: only its own name is known in its networks. */
  readonly serviceAliases?: boolean
}

export function containerBody(o: BodyOptions): ContainerCreateBody {
  const { project, name } = o
  const service = withReferences(o.service, o.find)
  const attachStdin = o.attachStdin ?? false
  const links = linksOf(o)
  const { mode, config } = endpoints({ ...o, service }, links)
  const health = healthcheck(service)
  return {
    Hostname: service.hostname,
    Domainname: service.domainname,
    User: service.user,
    AttachStdin: attachStdin,
    AttachStdout: true,
    AttachStderr: true,
    ExposedPorts: exposedPorts(service),
    Tty: service.tty,
    OpenStdin: service.stdin_open,
    StdinOnce: attachStdin && service.stdin_open,
    Env: environment(service, o.proxies ?? {}),
    Cmd: service.command && [...service.command],
    ...(health && { Healthcheck: health }),
    Image: imageOf(project, name, service),
    WorkingDir: service.working_dir,
    Entrypoint: service.entrypoint && [...service.entrypoint],
    ...(service.network_mode === 'disabled' && { NetworkDisabled: true }),
    Labels: allLabels(o, service),
    ...(service.stop_signal !== '' && { StopSignal: service.stop_signal }),
    ...(service.stop_grace_period !== undefined && {
      StopTimeout: Math.trunc(service.stop_grace_period / 1e9),
    }),
    HostConfig: hostConfig(service, { ...o, links, networkMode: mode, autoRemove: o.autoRemove ?? false }),
    NetworkingConfig: config && { EndpointsConfig: config },
  }
}

/** The network that docker calls the container's own. */
export { primaryNetwork }

function allLabels(o: BodyOptions, service: Service): Record<string, string> {
  return {
    ...Object.fromEntries(service.labels),
    ...identityLabels(o),
    ...(o.image !== undefined && { [label.image]: o.image }),
    [label.configHash]: serviceHash(service),
    [configLabel]: configText(service),
    ...o.labels,
  }
}

/** Docker: a variable without a value takes away what the image says. */
function environment(service: Service, proxies: Readonly<Record<string, string>>): string[] {
  const all = new Map<string, string | null>([...Object.entries(proxies), ...service.environment])
  return Array.from(all, ([key, value]) => (value === null ? key : `${key}=${value}`))
}

function healthcheck({ healthcheck: check }: Service): HealthConfig | undefined {
  if (!check) return undefined
  return {
    ...(check.disable ? { Test: ['NONE'] } : check.test.length > 0 && { Test: [...check.test] }),
    ...(check.interval !== undefined && { Interval: check.interval }),
    ...(check.timeout !== undefined && { Timeout: check.timeout }),
    ...(check.start_period !== undefined && { StartPeriod: check.start_period }),
    ...(check.start_interval !== undefined && { StartInterval: check.start_interval }),
    ...(check.retries !== undefined && { Retries: check.retries }),
  }
}
