/** Docker's path rules of cp: what trailing slashes and dots mean, and what an archive is called where it is unpacked. */
const { posix } = process.getBuiltinModule('node:path')

/** As Go's filepath.Clean: no trailing slash, no dots. */
export const cleanPath = (path: string): string => posix.normalize(path).replace(/(?<=.)\/+$/, '')

/** `dir/`: it must be a directory, and a symlink is followed. */
const endsInSlash = (path: string): boolean => path.endsWith('/')

/** `dir/.`: what is in the directory. */
const endsInDot = (path: string): boolean => baseOf(path) === '.'

function baseOf(path: string): string {
  const bare = path.replace(/\/+$/, '')
  if (bare === '') return path === '' ? '.' : '/'
  return bare.slice(bare.lastIndexOf('/') + 1)
}

/** The directory of a path and its last name, which is `.` for the content of a directory. */
export function splitPath(path: string): { directory: string; base: string } {
  const whole = cleanPath(path)
  if (endsInDot(path)) return { directory: whole, base: '.' }
  return { directory: cleanPath(posix.dirname(whole)), base: baseOf(whole) }
}

/** A cleaned path with the ending of the path that it came from. */
export function keepEnding(cleaned: string, path: string): string {
  if (endsInDot(path) && !endsInDot(cleaned)) return `${endsInSlash(cleaned) ? cleaned : `${cleaned}/`}.`
  if (endsInSlash(path) && !endsInSlash(cleaned)) return `${cleaned}/`
  return cleaned
}

/** What is copied. */
export interface Source {
  readonly path: string
  readonly isDirectory: boolean
  /** The name that the copy gets, where a symlink led to one of another name. */
  readonly name?: string
}

/** Where it goes: what is known of that place. */
export interface Destination {
  readonly path: string
  readonly exists: boolean
  readonly isDirectory: boolean
}

/** A symlink as source, followed: its target keeps the ending of the path, and the copy the name that was asked for. */
export function followed(path: string, target: string): { path: string; name?: string } {
  const kept = keepEnding(target, path)
  return { path: kept, ...(baseOf(path) !== baseOf(kept) && { name: baseOf(path) }) }
}

/** The directory to unpack in; `rename`: the first name of the archive's entries and the one that it becomes. */
export interface Placement {
  readonly directory: string
  readonly rename?: { readonly from: string; readonly to: string }
}

/** Throws docker's texts. */
export function placementOf(source: Source, destination: Destination): Placement {
  if (destination.exists && destination.isDirectory) return { directory: destination.path }
  if (destination.exists && source.isDirectory) throw new Error('cannot copy directory')
  if (!destination.exists && !source.isDirectory && mustBeDirectory(destination.path))
    throw new Error('no such directory')
  const { directory, base } = splitPath(destination.path)
  return { directory, rename: { from: source.name ?? splitPath(source.path).base, to: base } }
}

const mustBeDirectory = (path: string) => endsInSlash(path) || endsInDot(path)

/** An entry's name with its first part changed. The root's own entries begin with a slash, which is no name. */
export function renamed(name: string, rename: Placement['rename']): string {
  if (!rename) return name
  const { from, to } = rename
  if (from === '/') return `${to}${name}`
  if (name === from || name.startsWith(`${from}/`)) return to + name.slice(from.length)
  return name
}
