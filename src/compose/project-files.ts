/** Where a project's files, folder and variables are: flags, environment, `.env` files, the folders upwards. */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import { parseBool } from '../lib/parse-bool.ts'
import { booleanOf } from './casts.ts'
import { beneath, readEnvFiles } from './env-files.ts'
import { nowhere, scalar } from './node.ts'
import { isRemoteFile, locate, type RemoteFiles } from './remote/remote-file.ts'
import type { ProjectSource } from './load-project.ts'
import { isFile, type Environment, type SourceFile, type Surroundings } from './scope.ts'

/** `docker compose`'s global flags. */
export interface ProjectFlags {
  readonly files: readonly string[]
  readonly envFiles: readonly string[]
  readonly profiles: readonly string[]
  readonly projectDirectory: string
  readonly projectName: string
  readonly compatibility: boolean
}

interface Caller {
  readonly cwd: string
  readonly environment: NodeJS.ProcessEnv
  readonly warn: (text: string) => void
  /** What was fetched of elsewhere so far. Throws RemoteNeeded for what was not. */
  readonly remotes?: RemoteFiles
}

export const mainNames = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml']
const overrideNames = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
]

export function findProject(
  flags: ProjectFlags,
  { cwd, environment, warn, remotes = new Map() }: Caller,
): ProjectSource {
  const told = flags.projectDirectory === '' ? undefined : resolve(cwd, flags.projectDirectory)
  const process: Environment = new Map(
    Object.entries({ ...environment, PWD: cwd }).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value]],
    ),
  )
  const here = (path: string) =>
    path === '-' ? path : resolve(locate(path, { folder: cwd, remotes, at: nowhere }))
  const withDotEnv = (known: Surroundings, folder: string) => {
    const paths = envFilesOf(flags.envFiles, { known: process, folder, cwd })
    return beneath(known, readEnvFiles(paths, known, { warn }))
  }
  // Docker: the .env of where one is decides which files there are; that of the project is beneath it.
  const first = withDotEnv(
    { environment: process, sources: new Map() },
    told ?? localFolder(flags.files, cwd),
  )
  const named = flags.files.length > 0 ? flags.files : fromEnvironment(first.environment)
  const paths = named?.map(here) ?? search(told ?? cwd, warn)
  if (paths.length === 0) throw new EngineError('not-found', 'no configuration file provided: not found')
  const folder = told ?? folderOf(paths) ?? cwd
  // Docker: what is elsewhere is called after the folder here, and takes its variables from there.
  const isRemote = told === undefined && isRemoteFile(named?.find((path) => path !== '-') ?? '')
  const all = flags.envFiles.length > 0 || isRemote ? first : withDotEnv(first, folder)
  return {
    files: paths.map(source),
    folder,
    compatibility:
      flags.compatibility || (parseBool(all.environment.get('COMPOSE_COMPATIBILITY') ?? '') ?? false),
    ...(isRemote && { calledAfter: cwd }),
    remotes,
    ...all,
    name: flags.projectName,
    envFiles: givenEnvFiles(flags.envFiles, process).map((path) => resolve(cwd, path)),
    profiles: flags.profiles.length > 0 ? flags.profiles : listed(all.environment.get('COMPOSE_PROFILES')),
  }
}

/** It can be read once, and loading may begin again. */
let standardInput: string | undefined

function source(path: string): SourceFile {
  return path === '-' ? { path, text: (standardInput ??= readFileSync(0, 'utf8')) } : { path }
}

/** Of the first file that is here. */
function localFolder(files: readonly string[], cwd: string): string {
  const [first = '-'] = files.filter((path) => path !== '-')
  return first === '-' || isRemoteFile(first) ? cwd : dirname(resolve(cwd, first))
}

function folderOf(paths: readonly string[]): string | undefined {
  const path = paths.find((each) => each !== '-')
  return path === undefined ? undefined : dirname(path)
}

function listed(text = '', separator = ','): string[] {
  return text
    .split(separator)
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

function givenEnvFiles(given: readonly string[], known: Environment): readonly string[] {
  return given.length > 0 ? given : listed(known.get('COMPOSE_ENV_FILES'))
}

/** `--env-file`, else COMPOSE_ENV_FILES, else the `.env` of the folder if there is one. */
function envFilesOf(
  given: readonly string[],
  { known, folder, cwd }: { known: Environment; folder: string; cwd: string },
): string[] {
  const told = givenEnvFiles(given, known)
  if (told.length > 0) return told.map((path) => resolve(cwd, path))
  const disabled = known.get('COMPOSE_DISABLE_ENV_FILE')
  if (disabled && booleanOf(disabled, scalar(disabled))) return []
  const path = join(folder, '.env')
  return isFile(path) ? [path] : []
}

function fromEnvironment(environment: Environment): string[] | undefined {
  const paths = listed(environment.get('COMPOSE_FILE'), environment.get('COMPOSE_PATH_SEPARATOR') || ':')
  return paths.length === 0 ? undefined : paths
}

/** The file of the folder or of the nearest one above it, with its override file. */
function search(start: string, warn: (text: string) => void): string[] {
  for (let folder = start; ; folder = dirname(folder)) {
    const found = present(folder, mainNames)
    const [winner] = found
    if (winner !== undefined) {
      warnOfMany(found, 'config', warn)
      const overrides = present(folder, overrideNames)
      warnOfMany(overrides, 'override', warn)
      return [winner, ...overrides.slice(0, 1)]
    }
    if (dirname(folder) === folder) return []
  }
}

function present(folder: string, names: readonly string[]): string[] {
  return names.map((name) => join(folder, name)).filter(isFile)
}

function warnOfMany(paths: readonly string[], what: string, warn: (text: string) => void): void {
  if (paths.length < 2) return
  warn(`Found multiple ${what} files with supported names: ${paths.join(', ')}`)
  warn(`Using ${paths[0]}`)
}
