import { EngineError } from '../../lib/errors.ts'
import { canonical, parseReference } from '../../lib/reference.ts'
import { bool, list, string, type Flag, type Values } from '../flags.ts'

/** Flags of docker build and buildx that are not there yet: refused by name, with the reason. */
const refusals: Readonly<Record<string, string>> = {
  'add-host': 'host entries for build steps are not supported yet',
  allow: 'extra privileges for build steps are not supported',
  annotation: 'annotations are not supported yet',
  attest: 'attestations are not supported yet',
  'build-context': 'additional contexts are not supported yet',
  'cache-from': 'registries are not supported yet',
  'cache-to': 'registries are not supported yet',
  call: 'build checks on their own are not supported yet',
  'cgroup-parent': 'it is set for the whole daemon',
  'cpu-period': 'limits for build steps are not supported yet',
  'cpu-quota': 'limits for build steps are not supported yet',
  'cpu-shares': 'limits for build steps are not supported yet',
  'cpuset-cpus': 'limits for build steps are not supported yet',
  'cpuset-mems': 'limits for build steps are not supported yet',
  isolation: 'it exists on Windows only',
  memory: 'limits for build steps are not supported yet',
  'memory-swap': 'limits for build steps are not supported yet',
  'metadata-file': 'it is not supported yet',
  'no-cache-filter': 'it is not supported yet; use --no-cache',
  output: 'the result is an image in the local store; other outputs are not supported yet',
  'security-opt': 'security options for build steps are not supported yet',
  'shm-size': 'limits for build steps are not supported yet',
  ssh: 'agent forwarding is not supported yet',
  ulimit: 'limits for build steps are not supported yet',
}
const refusedSwitches: Readonly<Record<string, string>> = {
  check: 'build checks on their own are not supported yet',
  pull: 'registries are not supported yet',
  push: 'registries are not supported yet',
  squash: 'squashing is not supported',
}

function tagName(text: string): string {
  canonical(parseReference(text))
  return text
}

function off(text: string): string {
  if (text !== 'false') throw new Error('attestations are not supported yet')
  return text
}

const known = {
  'build-arg': list('Set build-time variables'),
  file: string('Name of the Dockerfile (Default is "PATH/Dockerfile")', { short: 'f' }),
  'force-rm': bool('Always remove intermediate containers (they are never kept)'),
  iidfile: string('Write the image ID to the file'),
  label: list('Set metadata for an image'),
  load: bool('Store the image locally (always done)'),
  network: string('Set the networking mode for the RUN instructions during build', { initial: 'default' }),
  'no-cache': bool('Do not use cache when building the image'),
  platform: list('Set platform if server is multi-platform capable', { kind: 'string' }),
  progress: string('Set type of progress output ("auto", "plain", "tty", "rawjson")', { initial: 'auto' }),
  provenance: list('Only "false": attestations are not supported yet', { kind: 'string', check: off }),
  quiet: bool('Suppress the build output and print image ID on success', { short: 'q' }),
  rm: bool('Remove intermediate containers after a successful build', { initial: true }),
  sbom: list('Only "false": attestations are not supported yet', { kind: 'string', check: off }),
  secret: list('Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")'),
  tag: list('Name and optionally a tag in the "name:tag" format', { short: 't', check: tagName }),
  target: string('Set the target build stage to build.'),
}

const shorts: Readonly<Record<string, string>> = { 'cpu-shares': 'c', memory: 'm', output: 'o' }
const refused: Readonly<Record<string, Flag>> = {
  ...Object.fromEntries(
    Object.keys(refusals).map((name) => {
      const short = shorts[name]
      return [name, list('', { hidden: true, ...(short !== undefined && { short }) })]
    }),
  ),
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
    const harmless =
      (name === 'output' && Array.isArray(value) && value.every((item) => item === 'type=docker')) ||
      (name === 'isolation' && Array.isArray(value) && value.every((item) => item === 'default'))
    if (given.has(name) && !harmless) throw new EngineError('unsupported', `--${name}: ${why}`)
  }
  for (const [name, why] of Object.entries(refusedSwitches))
    if (values[name] === true) throw new EngineError('unsupported', `--${name}: ${why}`)
  if (!options.rm) throw new EngineError('unsupported', '--rm=false: build steps leave no containers to keep')
  const here = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`
  for (const platform of options.platform.flatMap((text) => text.split(',')))
    if (platform !== here)
      throw new EngineError('unsupported', `--platform ${platform}: only ${here} can be built here`)
  if (!['auto', 'plain', 'tty', 'rawjson', 'quiet'].includes(options.progress))
    throw new EngineError('invalid', `invalid progress mode ${options.progress}`)
  if (!['default', 'none', 'host', 'bridge'].includes(options.network))
    throw new EngineError(
      'unsupported',
      `--network ${options.network}: build steps may use default, host or none`,
    )
}
