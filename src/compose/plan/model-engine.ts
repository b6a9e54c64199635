/** An engine in memory, as far as compose asks it: for tests of plans that are carried out. */
import { DaemonError, type Client } from '../../client/index.ts'
import type { ContainerCreateBody } from '../../wire/container.ts'

interface Container {
  readonly id: string
  name: string
  running: boolean
  /** How often it was started. */
  starts: number
  readonly body: ContainerCreateBody
  /** Ids by name. */
  readonly networks: Map<string, string>
  readonly volumes: readonly string[]
}

interface Resource {
  readonly id: string
  readonly labels: Record<string, string>
}

export class ModelEngine {
  readonly containers = new Map<string, Container>()
  readonly networks = new Map<string, Resource>()
  readonly volumes = new Map<string, Resource>()
  /** What was changed since it was emptied, in order. */
  readonly calls: string[] = []
  #ids = 0

  get client(): Client {
    const part = (all: Iterable<Container>) => [...all].map((each) => summaryOf(each))
    return {
      containers: {
        list: async () => part(this.containers.values()),
        inspect: async (id: string) => ({ Id: id, State: { Status: 'running', Running: true } }),
        create: async (body: ContainerCreateBody, { name }: { name: string }) => this.#create(body, name),
        start: async (id: string) => this.#start(this.#container(id)),
        restart: async (id: string) => this.#start(this.#container(id)),
        stop: async (id: string) => this.#changed('stop', id, (container) => (container.running = false)),
        remove: async (id: string) => this.#changed('remove', id, () => this.containers.delete(id)),
        rename: async (id: string, name: string) => {
          this.#free(name)
          this.#changed('rename', id, (container) => (container.name = name))
        },
      },
      networks: {
        list: async () =>
          Array.from(this.networks, ([Name, { id, labels }]) => ({ Name, Id: id, Labels: labels })),
        create: async ({ Name, Labels }: { Name: string; Labels: Record<string, string> }) =>
          void this.networks.set(Name, { id: this.#id(), labels: Labels }),
        disconnect: async (network: string, id: string) => {
          const { networks } = this.#container(id)
          for (const [name, each] of networks) if (each === network) networks.delete(name)
        },
        remove: async (id: string) => {
          if ([...this.containers.values()].some((each) => each.running && has(each.networks, id)))
            throw new DaemonError(403, `network ${id} has active endpoints`)
          for (const [name, each] of this.networks) if (each.id === id) this.networks.delete(name)
        },
      },
      volumes: {
        list: async () => ({
          Volumes: Array.from(this.volumes, ([Name, { labels }]) => ({ Name, Labels: labels })),
        }),
        create: async ({ Name, Labels }: { Name: string; Labels: Record<string, string> }) =>
          void this.volumes.set(Name, { id: this.#id(), labels: Labels }),
        remove: async (name: string) => {
          if ([...this.containers.values()].some((each) => each.volumes.includes(name)))
            throw new DaemonError(409, `volume ${name} is in use`)
          this.volumes.delete(name)
        },
      },
      images: { inspect: async (name: string) => ({ Id: name, Config: {} }) },
      // No more of it is asked.
    } as unknown as Client
  }

  #id(): string {
    return (++this.#ids).toString(16).padStart(12, '0').padEnd(64, 'f')
  }

  #container(id: string): Container {
    const found = this.containers.get(id)
    if (!found) throw new DaemonError(404, `No such container: ${id}`)
    return found
  }

  #free(name: string): void {
    if ([...this.containers.values()].some((each) => each.name === name))
      throw new DaemonError(409, `Conflict. The container name "/${name}" is already in use`)
  }

  #changed(what: string, id: string, change: (container: Container) => unknown): void {
    const container = this.#container(id)
    this.calls.push(`${what} ${container.name}`)
    change(container)
  }

  #create(body: ContainerCreateBody, name: string) {
    this.#free(name)
    this.#references(body)
    const networks = Object.keys(body.NetworkingConfig?.EndpointsConfig ?? {}).map((each) => {
      const network = this.networks.get(each)
      if (!network) throw new DaemonError(404, `network ${each} not found`)
      return [each, network.id] as const
    })
    const volumes = [
      ...(body.HostConfig?.Mounts ?? [])
        .filter(({ Type }) => Type === 'volume')
        .map(({ Source = '' }) => Source),
      ...(body.HostConfig?.Binds ?? []).map((bind) => bind.split(':', 1)[0] ?? ''),
    ].filter((each) => each !== '')
    for (const volume of volumes)
      if (!this.volumes.has(volume)) throw new DaemonError(404, `no volume ${volume} was made before`)
    const id = this.#id()
    this.containers.set(id, {
      id,
      name,
      running: false,
      starts: 0,
      body,
      networks: new Map(networks),
      volumes,
    })
    this.calls.push(`create ${name}`)
    return { Id: id, Warnings: [] }
  }

  #start(container: Container): void {
    this.#references(container.body)
    const known = new Set(Array.from(this.networks.values(), ({ id }) => id))
    for (const [name, id] of container.networks)
      if (!known.has(id)) throw new DaemonError(404, `network ${name} of ${container.name} is gone`)
    container.running = true
    container.starts++
    this.calls.push(`start ${container.name}`)
  }

  #references({ HostConfig }: ContainerCreateBody): void {
    const other = /^container:(.*)/.exec(HostConfig?.NetworkMode ?? '')?.[1]
    if (other !== undefined) this.#container(other)
  }
}

function has(networks: ReadonlyMap<string, string>, id: string): boolean {
  return [...networks.values()].includes(id)
}

function summaryOf({ id, name, running, body, networks, volumes }: Container) {
  return {
    Id: id,
    Names: [`/${name}`],
    Labels: body.Labels,
    State: running ? 'running' : 'exited',
    Status: '',
    Mounts: volumes.map((Name) => ({ Type: 'volume', Name, Destination: '/v' })),
    NetworkSettings: {
      Networks: Object.fromEntries(Array.from(networks, ([key, each]) => [key, { NetworkID: each }])),
    },
  }
}
