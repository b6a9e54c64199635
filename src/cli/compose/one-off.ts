/** A service as `run` means it: the file's, with what the command line says besides. */
import { loadProject, type Project, type Service } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { readPairs, toMap } from '../env.ts'

export interface OneOffOptions {
  /** Empty: the service's own. */
  readonly command: readonly string[]
  /** Undefined: the service's own; a line of words. */
  readonly entrypoint: string | undefined
  readonly env: readonly string[]
  readonly envFiles: readonly string[]
  readonly labels: readonly string[]
  readonly capAdd: readonly string[]
  readonly capDrop: readonly string[]
  readonly user: string
  readonly workdir: string
  readonly volumes: readonly string[]
  readonly publish: readonly string[]
  readonly servicePorts: boolean
  readonly tty: boolean
  readonly interactive: boolean
  /** Empty: it gets one of its own. */
  readonly name: string
}

/** Docker compose: it ends when its command does, whatever the restart policy, and takes no ports that replicas have. */
export function oneOffService(project: Project, service: Service, o: OneOffOptions): Service {
  if (o.servicePorts && o.publish.length > 0)
    throw new EngineError('invalid', '--service-ports and --publish are incompatible')
  const given = parseGiven(project, o)
  const environment = Object.fromEntries(project.environment)
  const targets = new Set(given.volumes.map(({ target }) => target))
  return {
    ...service,
    ...(o.entrypoint !== undefined && { entrypoint: given.entrypoint, command: null }),
    ...(o.command.length > 0 && { command: o.command }),
    environment: new Map([
      ...service.environment,
      ...Object.entries(toMap(readPairs(o.envFiles, o.env, environment))),
    ]),
    labels: new Map([...service.labels, ...Object.entries(toMap(o.labels))]),
    cap_add: [...new Set([...without(service.cap_add, o.capDrop), ...o.capAdd])],
    cap_drop: [...new Set([...without(service.cap_drop, o.capAdd), ...o.capDrop])],
    ...(o.user !== '' && { user: o.user }),
    ...(o.workdir !== '' && { working_dir: o.workdir }),
    volumes: [...service.volumes.filter(({ target }) => !targets.has(target)), ...given.volumes],
    ports: o.servicePorts ? service.ports : given.ports,
    tty: o.tty,
    stdin_open: o.interactive,
    container_name: o.name,
    restart: '',
    scale: 1,
    deploy: service.deploy && { ...service.deploy, replicas: undefined, restart_policy: undefined },
  }
}

const without = (all: readonly string[], others: readonly string[]) =>
  all.filter((each) => !others.includes(each))

/** Words of the command line by the rules of Compose files. */
function parseGiven(project: Project, o: OneOffOptions): Pick<Service, 'volumes' | 'ports' | 'entrypoint'> {
  const text = JSON.stringify({
    services: {
      run: {
        image: 'none',
        volumes: o.volumes,
        ports: o.publish,
        ...(o.entrypoint !== undefined && o.entrypoint !== '' && { entrypoint: o.entrypoint }),
      },
    },
  })
  // A dollar is one: the shell has replaced what it should.
  const escaped = text.replaceAll('$', '$$$$')
  const source = { folder: process.cwd(), environment: new Map(), sources: new Map(), profiles: [] }
  const { services } = loadProject(
    { ...source, files: [{ path: 'command line', text: escaped }], name: project.name },
    {
      interpolation: true,
      normalization: false,
      pathResolution: true,
      consistency: false,
      envResolution: false,
      warn: () => {},
    },
  )
  const { volumes = [], ports = [], entrypoint = null } = services.get('run') ?? {}
  // Docker: an empty one takes away the image's.
  return { volumes, ports, entrypoint: o.entrypoint === '' ? [''] : entrypoint }
}
