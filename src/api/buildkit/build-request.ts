import type { BuildRequest, ContextRequest, OutputRequest } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { parseHosts, parseUlimits, type Attrs } from './attrs.ts'
import { cacheImports } from './cache-options.ts'
import { readInput, type Directories } from './dockerfile-input.ts'
import { syncSource } from './file-sync.ts'
import { parseStore, receiveLayout } from './oci-store.ts'
import { authOf, forwardAgent, secretsOf, sshOf } from './session-services.ts'

/** Options that say nothing about what is built. */
const informative = [
  // What the frontend that asks for us understands.
  'frontend.caps',
  // The repository that the context is from, for provenance.
  'vcs:source',
  'vcs:revision',
  'vcs:localdir:context',
  'vcs:localdir:dockerfile',
  // `# syntax=` lines and BUILDKIT_SYNTAX: ours is the frontend whatever they name.
  'source',
  'cmdline',
]

interface Asked extends Directories {
  /** An empty directory that goes with the build. */
  emptyDirectory(): Promise<string>
  readonly ref?: string
  /** Images that options name as `input:NAME`. */
  readonly inputs: Readonly<Record<string, string>>
  /** Entitlements that the client grants. */
  readonly allow: readonly string[]
  readonly outputs: readonly OutputRequest[]
  readonly cacheTo: readonly OutputRequest[]
}

/** What frontend `dockerfile.v0` is asked for, as a build of ours. Whatever would be ignored is refused by name. */
export async function buildRequestOf(op: Op, attrs: Attrs, o: Asked): Promise<BuildRequest> {
  const { session, ref, allow, outputs, cacheTo } = o
  for (const name of informative) attrs.take(name)
  const buildArgs = attrs.takeAll('build-arg:')
  delete buildArgs['BUILDKIT_SYNTAX']
  const labels = attrs.takeAll('label:')
  const target = attrs.take('target')
  const networkMode = attrs.take('force-network-mode')
  const platform = platformOf(attrs)
  const contexts = await namedContexts(op, attrs, { ...o, platform })
  const addHosts = parseHosts(attrs.take('add-hosts'))
  const ulimits = parseUlimits(attrs.take('ulimit'))
  const shmSize = Number(attrs.take('shm-size') ?? 0)
  const cgroupParent = attrs.take('cgroup-parent')
  const noCache = attrs.takeRaw('no-cache')
  const noCacheFilter = (noCache ?? '').split(',').filter((name) => name !== '')
  const resolveMode = attrs.take('image-resolve-mode')
  if (resolveMode !== undefined && !['local', 'default', 'pull'].includes(resolveMode))
    throw new EngineError('invalid', `invalid image-resolve-mode: ${resolveMode}`)
  const cacheFrom = cacheImports(attrs.take('cache-imports'), attrs.take('cache-from'))
  const input = await readInput(op, attrs, o)
  attrs.refuseRest()
  return {
    ...input,
    ...(ref !== undefined && { ref }),
    pull: resolveMode === 'pull',
    tags: namesOf(outputs),
    outputs,
    buildArgs,
    labels,
    noCache: noCache === '',
    secrets: secretsOf(session),
    auth: authOf(session),
    ...(allow.length > 0 && { allow }),
    ...(cacheFrom.length > 0 && { cacheFrom }),
    ...(cacheTo.length > 0 && { cacheTo }),
    ...(noCacheFilter.length > 0 && { noCacheFilter }),
    ...(session.supports(forwardAgent) && { ssh: sshOf(session) }),
    ...(Object.keys(contexts).length > 0 && { contexts }),
    ...(target !== undefined && { target }),
    ...(networkMode !== undefined && { networkMode }),
    ...(platform !== undefined && { platform }),
    ...(addHosts.length > 0 && { addHosts }),
    ...(ulimits.length > 0 && { ulimits }),
    ...(shmSize > 0 && { shmSize }),
    ...(cgroupParent !== undefined && { cgroupParent }),
  }
}

/** The names that outputs give to images: the record of the build shows them. */
function namesOf(outputs: readonly OutputRequest[]): string[] {
  const names = outputs.flatMap(({ attrs }) => (attrs['name'] ?? '').split(','))
  return [...new Set(names.filter((name) => name !== '' && name !== '*'))]
}

function platformOf(attrs: Attrs): string | undefined {
  const platform = attrs.take('platform')
  if (attrs.take('multi-platform') === 'true' || platform?.includes(','))
    throw new EngineError('unsupported', 'build: images of several platforms are not supported')
  return platform
}

/** `context:NAME=…` of `--build-context`. */
async function namedContexts(
  op: Op,
  attrs: Attrs,
  o: Asked & { platform: string | undefined },
): Promise<Record<string, ContextRequest>> {
  const given = Object.entries(attrs.takeAll('context:'))
  for (const [name] of given) attrs.take(`input-metadata:${name}`)
  return Object.fromEntries(
    await Promise.all(
      given.map(async ([name, value]) => [name, await namedContext(op, { ...o, name, value })] as const),
    ),
  )
}

async function namedContext(
  op: Op,
  o: Asked & { platform: string | undefined; name: string; value: string },
): Promise<ContextRequest> {
  const { name, value } = o
  const colon = value.indexOf(':')
  const [scheme, rest] = [value.slice(0, colon), value.slice(colon + 1)]
  switch (scheme) {
    case 'local': {
      const directory = await o.directory(rest)
      return { kind: 'synced', source: syncSource(directory.session, directory.name) }
    }
    case 'docker-image':
      return { kind: 'image', reference: rest.replace(/^\/\//, '') }
    case 'input': {
      const reference = o.inputs[rest]
      if (reference === undefined) throw new EngineError('invalid', `build context ${name}: no input ${rest}`)
      return { kind: 'image', reference }
    }
    case 'oci-layout': {
      const { store, digest } = parseStore(rest)
      const path = await o.emptyDirectory()
      await receiveLayout(op, o.session, { store, digest, root: path, platform: o.platform })
      return { kind: 'oci-layout', path, digest }
    }
    case 'target':
      throw new EngineError('unsupported', `build context ${name}: ${scheme}: contexts are not supported yet`)
    default:
      return { kind: 'remote', url: value }
  }
}
