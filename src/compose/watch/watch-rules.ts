/** What `develop.watch` says is to be done when files change. */
import { join, posix, relative } from 'node:path'
import { readFileSync } from 'node:fs'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { IgnoreMatcher, parseIgnore } from '../../lib/ignore.ts'
import type { Project, Service } from '../model/project-model.ts'

export type Trigger = NonNullable<Service['develop']>['watch'][number]

export interface WatchRule {
  readonly service: string
  readonly trigger: Trigger
  /** Whether the path is one that it watches: a directory for which it is not holds nothing of interest. */
  reaches(path: string): boolean
  /** Whether a change of the file sets the rule off. */
  applies(path: string): boolean
}

/** A file of this host and its place in the containers. */
export interface SyncPath {
  readonly host: string
  readonly container: string
}

/** What a batch of changes asks for. A service that is rebuilt needs nothing else. */
export interface WatchWork {
  readonly rebuild: ReadonlySet<string>
  readonly sync: ReadonlyMap<string, readonly SyncPath[]>
  readonly restart: ReadonlySet<string>
  readonly exec: readonly { readonly service: string; readonly hook: NonNullable<Trigger['exec']> }[]
}

const actions = ['sync', 'rebuild', 'restart', 'sync+restart', 'sync+exec']

/** What no rule wants to know of: repositories, and what editors write beside their files. */
const always = [
  '**/.git',
  '**/*.swp',
  '**/*.swx',
  '**/*.swo',
  '**/*~',
  '**/.#*',
  '**/#*#',
  '**/4913',
  '**/*___jb_tmp___',
  '**/*___jb_old___',
  '**/.idea',
  '**/.DS_Store',
]

/** The rules of the named services, of all when there are no names. Throws for what cannot be watched. */
export function watchRules(
  project: Project,
  o: { services?: readonly string[]; warn: (text: string) => void },
): WatchRule[] {
  const { services: names = [], warn } = o
  const services = [...project.services].filter(([name]) => names.length === 0 || names.includes(name))
  return services.flatMap(([name, service]) =>
    (service.develop?.watch ?? []).flatMap((trigger) => {
      // Docker: two ways for one file to get there would fight each other.
      if (!syncs(trigger) || !isMounted(service, trigger)) return [ruleOf(name, service, trigger)]
      warn(`path '${trigger.path}' also declared by a bind mount volume, this path won't be monitored!`)
      return []
    }),
  )
}

export const syncs = ({ action }: Trigger): boolean => action.startsWith('sync')

function ruleOf(name: string, service: Service, trigger: Trigger): WatchRule {
  const no = (why: string) => new EngineError('invalid', `service "${name}": develop.watch ${why}`)
  if (!actions.includes(trigger.action))
    throw no(`action ${JSON.stringify(trigger.action)} is not one of ${actions.join(', ')}`)
  if (trigger.action === 'rebuild' && !service.build) throw no('action rebuild needs a build section')
  if (syncs(trigger) && trigger.target === '') throw no(`action ${trigger.action} needs a target`)
  if (trigger.action === 'sync+exec' && !trigger.exec?.command?.length)
    throw no('action sync+exec needs exec.command')
  const ignored = matchersOf(service, trigger)
  const included = trigger.include.length === 0 ? undefined : new IgnoreMatcher(patternsOf(trigger.include))
  const reaches = (path: string) =>
    isBelow(path, trigger.path) &&
    !ignored.some(({ folder, matcher }) => ignores(matcher, relative(folder, path)))
  return {
    service: name,
    trigger,
    reaches,
    applies(path) {
      const inner = relative(trigger.path, path)
      return reaches(path) && (included === undefined || inner === '' || included.ignores(inner))
    },
  }
}

function isBelow(path: string, folder: string): boolean {
  const inner = relative(folder, path)
  return inner !== '..' && !inner.startsWith('../')
}

function isMounted(service: Service, trigger: Trigger): boolean {
  return service.volumes.some(({ type, source }) => type === 'bind' && isBelow(trigger.path, source))
}

function matchersOf(
  service: Service,
  trigger: Trigger,
): readonly { readonly folder: string; readonly matcher: IgnoreMatcher }[] {
  const found = [
    { folder: trigger.path, matcher: new IgnoreMatcher(patternsOf(always)) },
    { folder: trigger.path, matcher: new IgnoreMatcher(patternsOf(trigger.ignore)) },
  ]
  const context = service.build?.context ?? ''
  // A context that is no directory of ours has no such file here.
  if (context.startsWith('/')) {
    const text = readIgnore(context, service.build?.dockerfile || 'Dockerfile')
    if (text !== undefined) found.push({ folder: context, matcher: IgnoreMatcher.parse(text) })
  }
  return found
}

function patternsOf(lines: readonly string[]) {
  return parseIgnore(lines.join('\n'))
}

function ignores(matcher: IgnoreMatcher, path: string): boolean {
  return path !== '' && path !== '..' && !path.startsWith('../') && matcher.ignores(path)
}

/** Docker: `X.dockerignore` beside the Dockerfile X comes before the context's own. */
function readIgnore(context: string, dockerfile: string): string | undefined {
  for (const path of [join(context, `${dockerfile}.dockerignore`), join(context, '.dockerignore')]) {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
  return undefined
}

/** Which rules a batch of changed paths sets off, and with what. */
export function workFor(rules: readonly WatchRule[], paths: Iterable<string>): WatchWork {
  const rebuild = new Set<string>()
  const restart = new Set<string>()
  const sync = new Map<string, Map<string, SyncPath>>()
  const exec = new Map<Trigger, string>()
  for (const path of paths)
    for (const rule of rules) {
      if (!rule.applies(path)) continue
      const { service, trigger } = rule
      if (trigger.action === 'rebuild') rebuild.add(service)
      if (trigger.action.endsWith('restart')) restart.add(service)
      if (trigger.action === 'sync+exec') exec.set(trigger, service)
      if (!syncs(trigger)) continue
      const place = { host: path, container: posix.join(trigger.target, relative(trigger.path, path)) }
      const known = sync.get(service) ?? new Map<string, SyncPath>()
      sync.set(service, known.set(place.container, place))
    }
  const kept = <T>(entries: Iterable<readonly [string, T]>) =>
    [...entries].filter(([name]) => !rebuild.has(name))
  return {
    rebuild,
    restart: new Set([...restart].filter((name) => !rebuild.has(name))),
    sync: new Map(kept(sync).map(([name, places]) => [name, [...places.values()]])),
    exec: Array.from(exec)
      .filter(([, service]) => !rebuild.has(service))
      .flatMap(([{ exec: hook }, service]) => (hook ? [{ service, hook }] : [])),
  }
}
