import { Duplex } from 'node:stream'
import type { Client, Waiter } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type {
  ContainerCreateBody,
  ContainerInspect,
  ContainerState,
  ContainerStatus,
  ContainerSummary,
} from '../../wire/container.ts'
import { label, readDependsOn } from '../labels.ts'

type Real = Client['containers']

interface Made {
  readonly name: string
  readonly body: ContainerCreateBody
}

/**
 * Containers as they would be: those of the engine, with what was done to them since, and those that would have been made. Docker: a
 * container that would have been made has its name as its id.
 */
export class DryRunContainers {
  readonly #real: Real
  readonly #made = new Map<string, Made>()
  readonly #status = new Map<string, ContainerStatus | 'removed'>()
  readonly #labels = new Map<string, Record<string, string>>()

  constructor(real: Real) {
    this.#real = real
  }

  list: Real['list'] = async (o) => {
    // Those that would run now count, too.
    const there = await this.#real.list({ ...o, all: true })
    for (const { Id, Labels } of there) this.#labels.set(Id, Labels)
    const made = Array.from(this.#made, ([id, each]) => summaryOf(id, each)).filter(({ Labels }) =>
      hasLabels(Labels, o?.filters?.['label'] ?? []),
    )
    return [...there, ...made].flatMap((each) => {
      const State = this.#status.get(each.Id) ?? each.State
      if (State === 'removed' || (!o?.all && State !== 'running' && State !== 'paused')) return []
      return { ...each, State }
    })
  }

  create: Real['create'] = async (body, o) => {
    const name = o?.name ?? ''
    this.#made.set(name, { name, body })
    this.#labels.set(name, body.Labels ?? {})
    return { Id: name, Warnings: [] }
  }

  inspect: Real['inspect'] = async (id, o) => {
    const made = this.#made.get(id)
    const found = made ? inspectionOf(id, made) : await this.#real.inspect(id, o)
    const status = this.#status.get(id)
    if (status === undefined || status === 'removed') return found
    return { ...found, State: { ...found.State, ...this.#state(id, status) } }
  }

  start: Real['start'] = async (id) => this.#become(id, 'running')
  stop: Real['stop'] = async (id) => this.#become(id, 'exited')
  restart: Real['restart'] = async (id) => this.#become(id, 'running')
  kill: Real['kill'] = async (id) => this.#become(id, 'exited')
  pause: Real['pause'] = async (id) => this.#become(id, 'paused')
  unpause: Real['unpause'] = async (id) => this.#become(id, 'running')
  remove: Real['remove'] = async (id) => this.#become(id, 'removed')
  takeOver: Real['takeOver'] = async () => true
  connections: Real['connections'] = async () => 0
  update: Real['update'] = async () => ({ Warnings: null })
  commit: Real['commit'] = async () => ({ Id: 'dryRunId' })
  resize: Real['resize'] = async () => true

  rename: Real['rename'] = async () => true

  wait: Real['wait'] = async (id, condition, signal): Promise<Waiter> =>
    this.#made.has(id)
      ? { result: Promise.resolve({ StatusCode: 0 }) }
      : this.#real.wait(id, condition, signal)

  putArchive: Real['putArchive'] = async (_id, { archive }) => {
    archive.destroy()
    return true
  }

  attach: Real['attach'] = async () => {
    throw new EngineError('unsupported', 'interactive run is not supported in dry-run mode')
  }

  createExec: Real['createExec'] = async (id) => `dry-run-${id}`
  startExecDetached: Real['startExecDetached'] = async () => true
  resizeExec: Real['resizeExec'] = async () => true

  /** A command that says nothing. */
  startExec: Real['startExec'] = async () => {
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
    stream.push(null)
    return { stream, contentType: '' }
  }

  inspectExec: Real['inspectExec'] = async (id) =>
    // What compose looks at.
    ({ ID: id, Running: false, ExitCode: 0 }) as Awaited<ReturnType<Real['inspectExec']>>

  #become(id: string, status: ContainerStatus | 'removed'): boolean {
    this.#status.set(id, status)
    return true
  }

  /** Whatever somebody waits for has come about. */
  #state(id: string, status: ContainerStatus): Partial<ContainerState> {
    const ended = status === 'exited' || (status === 'running' && this.#isOneShot(id))
    return {
      Status: ended ? 'exited' : status,
      Running: !ended,
      Paused: status === 'paused',
      ExitCode: 0,
      StartedAt: new Date(0).toISOString(),
      ...(!ended && { Health: { Status: 'healthy', FailingStreak: 0, Log: [] } }),
    }
  }

  /** Somebody depends on its end. */
  #isOneShot(id: string): boolean {
    const { [label.service]: service = '', [label.project]: project } = this.#labels.get(id) ?? {}
    return [...this.#labels.values()].some(
      (labels) =>
        labels[label.project] === project &&
        readDependsOn(labels[label.dependsOn] ?? '').get(service)?.condition ===
          'service_completed_successfully',
    )
  }
}

/** What compose looks at of a container; nobody sees more of it. */
function summaryOf(id: string, { name, body }: Made): ContainerSummary {
  return {
    Id: id,
    Names: [`/${name}`],
    Image: body.Image ?? '',
    ImageID: '',
    Command: '',
    Created: 0,
    Ports: [],
    Labels: body.Labels ?? {},
    State: 'created',
    Status: 'Created',
    Mounts: [],
    HostConfig: {},
    NetworkSettings: { Networks: {} },
  }
}

function inspectionOf(id: string, { name, body }: Made): ContainerInspect {
  const State = { Status: 'created', Running: false, Paused: false, ExitCode: 0, StartedAt: '' }
  const Config = { Labels: {}, Env: [], Tty: false, ...body }
  // As above.
  return {
    Id: id,
    Name: `/${name}`,
    State,
    Config,
    Mounts: [],
    HostConfig: {},
  } as unknown as ContainerInspect
}

function hasLabels(labels: Readonly<Record<string, string>>, wanted: readonly string[]): boolean {
  return wanted.every((text) => {
    const [key = '', ...value] = text.split('=')
    return Object.hasOwn(labels, key) && (value.length === 0 || labels[key] === value.join('='))
  })
}
