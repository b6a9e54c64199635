import type { BuildRequest, ContextRequest, OutputRequest } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { Attrs, parseHosts, parseUlimits } from './attrs.ts'
import { readInput } from './dockerfile-input.ts'
import { syncSource } from './file-sync.ts'
import type { Session } from './session.ts'
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

/** What frontend `dockerfile.v0` is asked for, as a build of ours. Whatever would be ignored is refused by name. */
export async function buildRequestOf(
  op: Op,
  o: {
    ref: string
    options: Readonly<Record<string, string>>
    session: Session
    outputs: readonly OutputRequest[]
  },
): Promise<BuildRequest> {
  const { session, ref, outputs } = o
  const attrs = new Attrs(o.options)
  for (const name of informative) attrs.take(name)
  const buildArgs = attrs.takeAll('build-arg:')
  delete buildArgs['BUILDKIT_SYNTAX']
  const labels = attrs.takeAll('label:')
  const contexts = namedContexts(attrs, session)
  const target = attrs.take('target')
  const networkMode = attrs.take('force-network-mode')
  const platform = platformOf(attrs)
  const addHosts = parseHosts(attrs.take('add-hosts'))
  const ulimits = parseUlimits(attrs.take('ulimit'))
  const shmSize = Number(attrs.take('shm-size') ?? 0)
  const cgroupParent = attrs.take('cgroup-parent')
  const noCache = attrs.takeRaw('no-cache')
  const noCacheFilter = (noCache ?? '').split(',').filter((name) => name !== '')
  const resolveMode = attrs.take('image-resolve-mode')
  if (resolveMode !== undefined && !['local', 'default', 'pull'].includes(resolveMode))
    throw new EngineError('invalid', `invalid image-resolve-mode: ${resolveMode}`)
  const input = await readInput(op, attrs, session)
  attrs.refuseRest()
  return {
    ...input,
    ref,
    pull: resolveMode === 'pull',
    tags: namesOf(outputs),
    outputs,
    buildArgs,
    labels,
    noCache: noCache === '',
    secrets: secretsOf(session),
    auth: authOf(session),
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
function namedContexts(attrs: Attrs, session: Session): Record<string, ContextRequest> {
  const given = attrs.takeAll('context:')
  for (const name of Object.keys(given)) attrs.take(`input-metadata:${name}`)
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, namedContext(name, value, session)]),
  )
}

function namedContext(name: string, value: string, session: Session): ContextRequest {
  const colon = value.indexOf(':')
  const [scheme, rest] = [value.slice(0, colon), value.slice(colon + 1)]
  switch (scheme) {
    case 'local':
      return { kind: 'synced', source: syncSource(session, rest) }
    case 'docker-image':
      return { kind: 'image', reference: rest.replace(/^\/\//, '') }
    case 'oci-layout':
    case 'input':
    case 'target':
      throw new EngineError('unsupported', `build context ${name}: ${scheme}: contexts are not supported yet`)
    default:
      return { kind: 'remote', url: value }
  }
}
