import { EngineError } from '../../lib/errors.ts'
import { canonical, parseReference } from '../../lib/reference.ts'
import { bool, list, string, type Flag, type Values } from '../flags.ts'
import { createFlags } from '../run-flags.ts'

/** Flags of docker build and buildx that are not there yet: refused by name, with the reason. */
const refusals: Readonly<Record<string, string>> = {
  isolation: 'it exists on Windows only',
  'security-opt': 'build steps have one confinement: default capabilities and seccomp profile',
}
const refusedSwitches: Readonly<Record<string, string>> = {
  compress: 'a context on this host is read where it lies',
  squash: 'layers cannot be joined afterwards: copy from a stage (COPY --from) instead',
}

/** docs/compat.md lists them. */
export const refusedFlags = { ...refusals, ...refusedSwitches }

function tagName(text: string): string {
  canonical(parseReference(text))
  return text
}

/** Alone it means `true`. */
function attestation(help: string): Flag<readonly string[]> {
  return { ...list(help, { kind: 'string' }), bare: 'true' }
}

const { ulimit, memory } = createFlags
const known = {
  'add-host': createFlags['add-host'],
  allow: list('Allow extra privileged entitlement (e.g., "network.host")', { kind: 'stringArray' }),
  annotation: list('Add annotation to the image', { kind: 'stringArray' }),
  attest: list('Attestation parameters (format: "type=sbom,generator=image")', { kind: 'stringArray' }),
  'build-arg': list('Set build-time variables'),
  'build-context': list('Additional build contexts (e.g., name=path)', { kind: 'stringArray' }),
  builder: string('Override the configured builder instance: there is one, "default"'),
  'cache-from': list('External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")', {
    kind: 'stringArray',
  }),
  'cache-to': list('Cache export destinations (e.g., "user/app:cache", "type=local,dest=path/to/dir")', {
    kind: 'stringArray',
  }),
  call: string('Set method for evaluating build ("check", "outline", "targets")', { shown: '"build"' }),
  'cgroup-parent': string('Set the parent cgroup for the RUN instructions during build'),
  check: bool('Shorthand for "--call=check"'),
  'check-options': list('What counts of the checks (format: "skip=RULE;level=RULE:info;error=true")'),
  'check-version': string('Version of the rule set for the checks'),
  'cpu-period': createFlags['cpu-period'],
  'cpu-quota': createFlags['cpu-quota'],
  'cpu-shares': createFlags['cpu-shares'],
  'cpuset-cpus': createFlags['cpuset-cpus'],
  'cpuset-mems': createFlags['cpuset-mems'],
  'disable-content-trust': createFlags['disable-content-trust'],
  explain: bool('Tell which steps would run and why, without running any'),
  file: string('Name of the Dockerfile (Default is "PATH/Dockerfile")', { short: 'f' }),
  'force-rm': bool('Always remove intermediate containers (they are never kept)'),
  iidfile: string('Write the image ID to the file'),
  label: list('Set metadata for an image'),
  load: bool('Shorthand for "--output=type=docker"'),
  memory,
  'memory-swap': createFlags['memory-swap'],
  'metadata-file': string('Write build result metadata to a file'),
  network: string('Set the networking mode for the RUN instructions during build', { initial: 'default' }),
  'no-cache': bool('Do not use cache when building the image'),
  'no-cache-filter': list('Do not cache specified stages', { kind: 'stringArray' }),
  output: list('Output destination (format: "type=local,dest=path")', {
    short: 'o',
    kind: 'stringArray',
  }),
  platform: list('Set platform if server is multi-platform capable', { kind: 'string' }),
  progress: string('Set type of progress output ("auto", "plain", "tty", "rawjson")', { initial: 'auto' }),
  provenance: attestation('Shorthand for "--attest=type=provenance"'),
  pull: bool('Always attempt to pull all referenced images'),
  push: bool('Shorthand for "--output=type=registry"'),
  quiet: bool('Suppress the build output and print image ID on success', { short: 'q' }),
  reproducible: bool('Give files and image times that do not depend on when and where it is built'),
  rm: bool('Remove intermediate containers after a successful build', { initial: true }),
  sbom: attestation('Shorthand for "--attest=type=sbom"'),
  shell: bool('Open a shell in the step that fails'),
  secret: list('Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")'),
  'shm-size': createFlags['shm-size'],
  ssh: list(
    'SSH agent socket or keys to expose to the build (format: "default|<id>[=<socket>|<key>[,<key>]]")',
    {
      kind: 'stringArray',
    },
  ),
  tag: list('Name and optionally a tag in the "name:tag" format', { short: 't', check: tagName }),
  target: string('Set the target build stage to build.'),
  ulimit,
  verify: bool('Build twice and fail when the results differ (implies --reproducible)'),
}

const refused: Readonly<Record<string, Flag>> = {
  ...Object.fromEntries(Object.keys(refusals).map((name) => [name, list('', { hidden: true })])),
  ...Object.fromEntries(Object.keys(refusedSwitches).map((name) => [name, bool('', { hidden: true })])),
}

/** What `build` and `buildx build` take; refused flags are among them, out of sight. */
export const flags: Readonly<Record<string, Flag>> = { ...refused, ...known }

export type Options = Values<typeof known>

/** The spread of `refused` hides the exact types of the others. */
export const optionsOf = (values: Readonly<Record<string, unknown>>): Options => values as unknown as Options

/** Throws kind `unsupported` naming the first flag that asks for what cannot be done. */
export function refuse(
  options: Options,
  given: ReadonlySet<string>,
  values: Readonly<Record<string, unknown>>,
): void {
  for (const [name, why] of Object.entries(refusals)) {
    const value = values[name]
    // What says "the usual" in so many words is the usual.
    const harmless = name === 'isolation' && Array.isArray(value) && value.every((item) => item === 'default')
    if (given.has(name) && !harmless) throw new EngineError('unsupported', `--${name}: ${why}`)
  }
  for (const [name, why] of Object.entries(refusedSwitches))
    if (values[name] === true) throw new EngineError('unsupported', `--${name}: ${why}`)
  if (options.builder !== '' && options.builder !== 'default')
    throw new EngineError('invalid', `no builder ${JSON.stringify(options.builder)} found`)
  if (!options.rm) throw new EngineError('unsupported', '--rm=false: build steps leave no containers to keep')
  if (!options['disable-content-trust'])
    throw new EngineError('unsupported', '--disable-content-trust=false: image signing is not supported')
  if (!['auto', 'plain', 'tty', 'rawjson', 'quiet'].includes(options.progress))
    throw new EngineError('invalid', `invalid progress mode ${options.progress}`)
  if (!['default', 'none', 'host', 'bridge'].includes(options.network))
    throw new EngineError(
      'unsupported',
      `--network ${options.network}: build steps may use default, host or none`,
    )
}
