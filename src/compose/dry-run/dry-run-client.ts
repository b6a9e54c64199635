/**
 * A client for `--dry-run`: it reads of the engine what there is, and answers every change as the engine would without passing it
 * on. Only what is listed as a read ever reaches the engine: a call that nobody thought of fails.
 */
import { DaemonError, type Client } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { canonical, parseReference, withDefaultTag } from '../../lib/reference.ts'
import type { ImageInspect } from '../../wire/image.ts'
import { DryRunContainers } from './dry-run-containers.ts'

/** The methods of a part of the client, and each of them. */
type Calls<T> = { readonly [K in keyof T]?: T[K] }
type Name<T> = keyof T & string

export function dryRunClient(real: Client): Client {
  const containers = new DryRunContainers(real.containers)
  const named = new Set<string>()
  const note = (image: string) => void named.add(canonical(withDefaultTag(parseReference(image))))
  return {
    host: real.host,
    containers: within(real.containers, {
      reads: ['checkPorts', 'top', 'logs', 'changes', 'export', 'stats', 'statPath', 'archive'],
      answers: containers,
    }),
    images: within(real.images, {
      reads: ['list', 'history', 'save', 'check'],
      answers: {
        inspect: (name, o) => inspectImage(real, name, { o, isNamed: (each) => named.has(each) }),
        tag: async (_source, { repo, tag }) => (note(`${repo}:${tag}`), true),
        remove: async () => [],
        prune: async () => ({ ImagesDeleted: null, SpaceReclaimed: 0 }),
      },
    }),
    registry: within(real.registry, {
      reads: ['inspect', 'manifest', 'search'],
      answers: {
        pull: async function* (name, { tag, auth }) {
          const image = tag?.includes(':') ? `${name}@${tag}` : `${name}:${tag ?? 'latest'}`
          // Docker: whether the registry has it is looked up.
          await real.registry.inspect(image, auth)
          note(image)
          yield* []
        },
        push: async function* (name, { tag }) {
          await real.images.inspect(`${name}:${tag ?? 'latest'}`)
          yield* []
        },
      },
    }),
    volumes: within(real.volumes, {
      reads: ['list', 'inspect'],
      answers: {
        create: async ({ Name = '', Driver = 'local', DriverOpts = {}, Labels = {} }) => ({
          Name,
          Driver,
          Labels,
          Options: DriverOpts,
          Mountpoint: '',
          CreatedAt: '',
          Scope: 'local',
        }),
        remove: yes,
      },
    }),
    networks: within(real.networks, {
      reads: ['list', 'inspect'],
      answers: {
        create: async ({ Name }) => ({ Id: Name, Warning: '' }),
        remove: yes,
        connect: yes,
        disconnect: yes,
      },
    }),
    system: within(real.system, {
      reads: ['ping', 'version', 'info', 'events', 'watch', 'diskUsage'],
      answers: {},
    }),
    imageFiles: within(real.imageFiles, { reads: ['explain', 'diff', 'list', 'read'], answers: {} }),
    builds: within(real.builds, { reads: ['list', 'inspect', 'log'], answers: {} }),
    buildCache: within(real.buildCache, { reads: ['list', 'mounts'], answers: {} }),
    close: () => real.close(),
    [Symbol.dispose]: () => real.close(),
  }
}

const yes = async (): Promise<boolean> => true

function within<T extends object>(
  part: T,
  { reads, answers }: { readonly reads: readonly Name<T>[]; readonly answers: Calls<T> },
): T {
  const known: ReadonlySet<string> = new Set(reads)
  return new Proxy(part, {
    get(target, key): unknown {
      const answer: unknown = Reflect.get(answers, key)
      if (typeof answer === 'function') return answer.bind(answers)
      const call: unknown = Reflect.get(target, key, target)
      if (typeof call !== 'function' || key === 'constructor') return call
      if (known.has(String(key))) return call.bind(target)
      return () => {
        throw new EngineError('unsupported', `${String(key)} is not supported in dry-run mode`)
      }
    },
  })
}

/** An image that would have been pulled or built is there, and nothing is known of it. */
async function inspectImage(
  real: Client,
  name: string,
  { o, isNamed }: { o: Parameters<Client['images']['inspect']>[1]; isNamed: (image: string) => boolean },
): Promise<ImageInspect> {
  try {
    return await real.images.inspect(name, o)
  } catch (error) {
    if (!(error instanceof DaemonError) || error.status !== 404) throw error
    if (!isNamed(canonical(withDefaultTag(parseReference(name))))) throw error
    // What compose looks at of an image; nobody sees more of it.
    return { Id: 'dryRunId', Config: {} } as unknown as ImageInspect
  }
}
