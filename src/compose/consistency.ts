/** What no single key can tell: services that refer to each other and to the project's resources, and keys at odds. */
import type { Project } from './model/project-model.ts'
import type { Service } from './model/service-model.ts'
import { ComposeError, deepestPlace, get, nowhere, type Path } from './node.ts'

export function checkConsistency(project: Project): void {
  for (const [name, service] of project.services) new Check(project, name, service).all()
  checkCycles(project)
}

/** The checks of one service, in docker's order and words. */
class Check {
  readonly #project: Project
  readonly #name: string
  readonly #service: Service

  constructor(project: Project, name: string, service: Service) {
    this.#project = project
    this.#name = name
    this.#service = service
  }

  all(): void {
    const { build, image, provider } = this.#service
    if (!build && image === '' && !provider)
      this.#fail([], `service "${this.#name}" has neither an image nor a build context specified`)
    this.#build()
    this.#networks()
    this.#health()
    this.#dependencies()
    this.#resources()
    this.#scale()
    this.#limits()
  }

  #fail(path: Path, why: string): never {
    throw faultAt(this.#project, ['services', this.#name, ...path], why)
  }

  #build(): void {
    const { build, platform } = this.#service
    if (!build) return
    if (build.dockerfile !== '' && build.dockerfile_inline !== '')
      this.#fail(
        ['build'],
        `service "${this.#name}" declares mutually exclusive dockerfile and dockerfile_inline`,
      )
    for (const [context, source] of build.additional_contexts) {
      const other = /^service:(.*)$/.exec(source)?.[1]
      if (other === undefined) continue
      const found = this.#project.services.get(other)
      const path = ['build', 'additional_contexts', context]
      if (!found)
        this.#fail(
          path,
          `service "${this.#name}" declares unknown service "${other}" as additional contexts ${context}`,
        )
      if (!found.build)
        this.#fail(
          path,
          `service "${this.#name}" declares non-buildable service "${other}" as additional contexts ${context}`,
        )
    }
    if (platform !== '' && build.platforms.length > 0 && !build.platforms.includes(platform))
      this.#fail(
        ['build', 'platforms'],
        `service.build.platforms MUST include service.platform "${platform}"`,
      )
  }

  #networks(): void {
    const { networks, network_mode: mode } = this.#service
    if (mode !== '' && networks.size > 0)
      this.#fail(
        ['network_mode'],
        `service ${this.#name} declares mutually exclusive \`network_mode\` and \`networks\``,
      )
    for (const network of networks.keys())
      if (!this.#project.networks.has(network)) this.#undefined(['networks', network], 'network', network)
  }

  #undefined(path: Path, what: string, name: string): never {
    this.#fail(path, `service "${this.#name}" refers to undefined ${what} ${name}`)
  }

  #health(): void {
    const [first] = this.#service.healthcheck?.test ?? []
    if (first !== undefined && !['CMD', 'CMD-SHELL', 'NONE'].includes(first))
      this.#fail(
        ['healthcheck', 'test'],
        'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"',
      )
  }

  #dependencies(): void {
    for (const [other, { required = true }] of this.#service.depends_on) {
      if (this.#project.services.has(other)) continue
      const disabled = this.#project.disabled.get(other)
      if (disabled && !required) continue
      const hint = disabled ? `; it is in ${profilesOf(disabled)}, which no --profile activates` : ''
      this.#fail(
        ['depends_on', other],
        `service "${this.#name}" depends on undefined service "${other}"${hint}`,
      )
    }
  }

  #resources(): void {
    const { volumes, build, secrets, configs, models } = this.#service
    const { volumes: known } = this.#project
    for (const [index, { type, source }] of volumes.entries())
      if (type === 'volume' && source !== '' && !known.has(source))
        this.#undefined(['volumes', String(index)], 'volume', source)
    const check = (path: Path, what: string, all: ReadonlyMap<string, unknown>, names: readonly string[]) => {
      for (const [index, name] of names.entries())
        if (!all.has(name)) this.#undefined([...path, String(index)], what, name)
    }
    const sources = (references: readonly { readonly source: string }[]) =>
      references.map(({ source }) => source)
    check(['build', 'secrets'], 'build secret', this.#project.secrets, sources(build?.secrets ?? []))
    check(['configs'], 'config', this.#project.configs, sources(configs))
    check(['models'], 'model', this.#project.models, [...models.keys()])
    check(['secrets'], 'secret', this.#project.secrets, sources(secrets))
  }

  #scale(): void {
    const { scale, deploy, container_name: container } = this.#service
    const replicas = deploy?.replicas
    if (scale !== undefined && replicas !== undefined && scale !== replicas)
      this.#fail(
        ['scale'],
        `services.${this.#name}: can't set distinct values on 'scale' and 'deploy.replicas'`,
      )
    if (container !== '' && (scale ?? replicas ?? 1) > 1)
      this.#fail(
        ['container_name'],
        `services.${this.#name}: can't set container_name and ${scale === undefined ? 'deploy.replicas' : 'scale'} as container name must be unique`,
      )
  }

  /** Two ways to say the same, which must agree. */
  #limits(): void {
    const { deploy } = this.#service
    const { limits, reservations } = deploy?.resources ?? {}
    const agree = (key: 'cpus' | 'mem_limit' | 'mem_reservation' | 'pids_limit', path: string, other = 0) => {
      const own = this.#service[key]
      if (own !== 0 && other !== 0 && own !== other)
        this.#fail(
          [key],
          `services.${this.#name}: can't set distinct values on '${key}' and 'deploy.resources.${path}'`,
        )
    }
    agree('mem_limit', 'limits.memory', limits?.memory)
    agree('mem_reservation', 'reservations.memory', reservations?.memory)
    agree('cpus', 'limits.cpus', limits?.cpus)
    agree('pids_limit', 'limits.pids', limits?.pids)
  }
}

function profilesOf({ profiles }: Service): string {
  return `the profile${profiles.length === 1 ? '' : 's'} ${profiles.join(', ')}`
}

/** The fault with the place of the deepest part of the path that a file says. */
function faultAt({ tree }: Project, path: Path, why: string): ComposeError {
  return new ComposeError(deepestPlace(tree, path), why)
}

function checkCycles(project: Project): void {
  const done = new Set<string>()
  const visit = (name: string, trail: readonly string[]) => {
    if (done.has(name)) return
    if (trail.includes(name)) {
      const circle = [...trail.slice(trail.indexOf(name)), name]
      const [first = ''] = circle
      throw faultAt(
        project,
        ['services', first, 'depends_on'],
        `dependency cycle detected: ${circle.join(' -> ')}`,
      )
    }
    for (const next of [...(project.services.get(name)?.depends_on.keys() ?? [])].toSorted())
      visit(next, [...trail, name])
    done.add(name)
  }
  for (const name of [...project.services.keys()].toSorted()) visit(name, [])
}

/** Docker checks this only when everything else is known. */
export function checkContainerNames({ services, tree }: Project): void {
  const owners = new Map<string, string>()
  for (const [name, { container_name: container }] of services) {
    const other = container === '' ? undefined : owners.get(container)
    if (other !== undefined) {
      const at = get(tree, 'services', name, 'container_name')?.at ?? nowhere
      throw new ComposeError(
        at,
        `services.${name}.container_name: "${container}" is the name of service "${other}" already`,
      )
    }
    owners.set(container, name)
  }
}
