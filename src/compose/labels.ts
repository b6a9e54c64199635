/** The labels by which docker compose knows what belongs to a project, and so do we: each can take over the other's. */
import type { Service } from './model/service-model.ts'
import type { Project } from './model/project-model.ts'

const prefix = 'com.docker.compose.'

export const label = {
  project: `${prefix}project`,
  workingDir: `${prefix}project.working_dir`,
  configFiles: `${prefix}project.config_files`,
  environmentFile: `${prefix}project.environment_file`,
  service: `${prefix}service`,
  number: `${prefix}container-number`,
  /** `True` for what `run` makes. */
  oneOff: `${prefix}oneoff`,
  /** One-off containers: told apart by a random word. */
  slug: `${prefix}slug`,
  configHash: `${prefix}config-hash`,
  /** Id of the image that the container was made of. */
  image: `${prefix}image`,
  /** `db:service_healthy:false,cache:service_started:true`. */
  dependsOn: `${prefix}depends_on`,
  /** On what takes the place of another container: that one's name. */
  replace: `${prefix}replace`,
  network: `${prefix}network`,
  volume: `${prefix}volume`,
  version: `${prefix}version`,
} as const

/**
 * Gantry's own, beside the hash: the configuration that the hash was made of, so that a change can be named. Values that look
 * like secrets are kept as digests.
 */
export const configLabel = 'dev.gantry.compose.config'

/** Gantry's own: short digests of the configs and secrets that were written into the container, by path. */
export const filesLabel = 'dev.gantry.compose.files'

/** docker compose acts on what it finds by its version only in messages; ours is the one whose behaviour we match. */
export const composeVersion = '2.40.3'

export interface ContainerIdentity {
  readonly project: Project
  readonly name: string
  readonly service: Service
  readonly number: number
  readonly oneOff?: boolean
}

/** Who the container is; the labels that the service itself asks for are not among them. */
export function identityLabels({ project, name, service, number, oneOff = false }: ContainerIdentity) {
  return {
    [label.project]: project.name,
    [label.service]: name,
    [label.version]: composeVersion,
    [label.workingDir]: project.folder,
    [label.configFiles]: project.files.join(','),
    [label.oneOff]: oneOff ? 'True' : 'False',
    ...(project.envFiles.length > 0 && { [label.environmentFile]: project.envFiles.join(',') }),
    // Docker compose: one-off containers are not counted.
    ...(!oneOff && { [label.number]: String(number) }),
    [label.dependsOn]: dependsOnText(service, project),
  }
}

/** Networks and volumes. `kind` names the label that carries the key of the Compose file. */
export function resourceLabels(
  kind: 'network' | 'volume',
  o: { project: Project; key: string; hash: string },
): Record<string, string> {
  return {
    [label[kind]]: o.key,
    [label.project]: o.project.name,
    [label.version]: composeVersion,
    [label.configHash]: o.hash,
  }
}

export interface Dependency {
  readonly condition: string
  readonly restart: boolean
  readonly required: boolean
}

/** Of services that take part: an optional one may not. */
function dependsOnText(service: Service, { services }: Project): string {
  return [...service.depends_on]
    .filter(([name]) => services.has(name))
    .map(([name, { condition, restart }]) => `${name}:${condition}:${restart}`)
    .join(',')
}

/** Reads the label of a container; older docker compose wrote names alone, or without `restart`. */
export function readDependsOn(text: string): ReadonlyMap<string, Dependency> {
  const words = text.split(',').filter((word) => word !== '')
  return new Map(
    words.map((word) => {
      const [name = '', condition = 'service_started', restart = 'false'] = word.split(':')
      return [name, { condition, restart: restart === 'true', required: true }]
    }),
  )
}
