import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { hasCode } from '../../lib/errors.ts'
import { cleanPath, segmentGlob, hasWildcard, IgnoreMatcher } from '../../lib/ignore.ts'
import type { IgnorePattern, ParentMatch } from '../../lib/ignore.ts'
import { suggest } from '../dockerfile/suggest.ts'
import { splitBelow } from './below.ts'
import type { HashIndex } from './hash-index.ts'

/** One thing of a tree that a COPY may take. `content`: sha256 of a file in hex, target of a link. */
export interface Entry {
  readonly path: string
  /** `p`: a named pipe. */
  readonly type: 'f' | 'd' | 'l' | 'p'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly content: string
  /** Of a file that has several names: equal for all of them. */
  readonly inode?: string
}

export interface ScanRequest {
  /** Absolute path of the tree. */
  readonly root: string
  /** Paths and wildcards relative to the root; `.` for all; what `below` gives. */
  readonly wanted: readonly string[]
  readonly ignore: readonly IgnorePattern[]
}

export interface SourceMatch {
  readonly pattern: string
  /** Paths after following links, relative; `.` is the root. Empty: nothing there. */
  readonly paths: readonly string[]
  /** For each path the last part of what led to it, links not followed. */
  readonly names: readonly string[]
  /** Of a pattern made by `below`: its directory, links followed. */
  readonly base?: string
  /** True when nothing at or below those paths is left out: they may be copied whole. */
  readonly complete: boolean
  /** What kept out something that is there. */
  readonly ignoredBy?: { path: string; line: number; pattern: string }
  /** Where nothing is there: something that is, and is called almost so. */
  readonly near?: string
}

export interface Scan {
  /** In order of path; parents before children. */
  readonly entries: readonly Entry[]
  readonly sources: readonly SourceMatch[]
}

/** A name is compared with so many. */
const maxNames = 2000

/** Walks what is wanted of a tree and hashes its files; synchronous, for a worker thread. `canceled` is asked often. */
export function scanTree(request: ScanRequest, index: HashIndex, canceled: () => boolean): Scan {
  return new Scanner(request, index, canceled).run()
}

class Scanner {
  readonly #root: string
  readonly #request: ScanRequest
  readonly #matcher: IgnoreMatcher
  readonly #index: HashIndex
  readonly #canceled: () => boolean
  readonly #entries = new Map<string, Entry>()
  readonly #walked = new Set<string>()
  readonly #skipped: string[] = []
  readonly #buffer = Buffer.allocUnsafe(1 << 20)

  constructor(request: ScanRequest, index: HashIndex, canceled: () => boolean) {
    this.#request = request
    this.#root = request.root
    this.#matcher = new IgnoreMatcher(request.ignore)
    this.#index = index
    this.#canceled = canceled
  }

  run(): Scan {
    const sources = this.#request.wanted.map((pattern) => this.#source(pattern))
    const entries = [...this.#entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
    return { entries, sources }
  }

  #source(pattern: string): SourceMatch {
    const paths: string[] = []
    const names: string[] = []
    let ignoredBy: SourceMatch['ignoredBy']
    const [directory = '', glob] = splitBelow(pattern)
    const base = glob === undefined ? undefined : this.#resolve(relative(directory))
    const found =
      glob === undefined
        ? this.#expand(relative(pattern))
        : base === undefined
          ? []
          : this.#below(base, relative(glob)).map((path) => ({ path, name: basename(path) }))
    for (const { path, name } of found) {
      if (this.#walkFrom(path)) {
        paths.push(path)
        names.push(name)
      } else {
        const reason = this.#matcher.reason(path)
        if (reason)
          ignoredBy ??= { path, line: reason.line, pattern: (reason.exception ? '!' : '') + reason.pattern }
      }
    }
    const near = found.length === 0 && glob === undefined ? this.#near(relative(pattern)) : undefined
    const taken = new Set(paths)
    const complete = !this.#skipped.some((skipped) => isBelowAny(skipped, taken))
    if (base !== undefined) for (const path of paths) this.#ancestors(path, base)
    return {
      pattern,
      paths,
      names,
      complete,
      ...(base !== undefined && { base }),
      ...(ignoredBy && { ignoredBy }),
      ...(near !== undefined && { near }),
    }
  }

  /** Of a path that is not there the first part that is not; what ignore files name is no suggestion. */
  #near(path: string): string | undefined {
    if (hasWildcard(path)) return undefined
    const parts = path.split('/')
    let directory = '.'
    for (const [index, part] of parts.entries()) {
      const next = this.#resolve(join(directory, part))
      if (next !== undefined) {
        directory = next
        continue
      }
      const names = (this.#list(directory) ?? []).slice(0, maxNames)
      const sameLetters = names.find((name) => name.toLowerCase() === part.toLowerCase())
      const best = sameLetters ?? suggest(part, names)
      if (best === undefined) return undefined
      const instead = join(directory, best)
      const whole = [instead, ...parts.slice(index + 1)].join('/')
      const there = this.#resolve(whole) === undefined ? instead : whole
      return this.#matcher.ignores(there) ? undefined : there
    }
    return undefined
  }

  /** The existing paths that a pattern means, links followed inside the root. */
  #expand(pattern: string): { path: string; name: string }[] {
    const segments = pattern === '.' ? [] : pattern.split('/')
    const wild = segments.findIndex(hasWildcard)
    const literal = wild < 0 ? segments : segments.slice(0, wild)
    const start = this.#resolve(literal.join('/'))
    if (start === undefined) return []
    if (wild < 0) return [{ path: start, name: basename(pattern) }]
    let level = [start]
    for (const segment of segments.slice(wild)) {
      const glob = segmentGlob(segment)
      level = level.flatMap((directory) => {
        const names = this.#list(directory)?.sort() ?? []
        return names.filter((name) => glob.test(name)).map((name) => join(directory, name))
      })
    }
    return level.flatMap((found) => {
      const path = this.#resolve(found)
      return path === undefined ? [] : [{ path, name: basename(found) }]
    })
  }

  /** Paths that match below a directory; not what is in a directory that matches itself. */
  #below(base: string, pattern: string): string[] {
    if (pattern === '.') return [base]
    const segments = pattern.split('/')
    const wild = segments.findIndex(hasWildcard)
    let start = base
    for (const segment of wild < 0 ? segments : segments.slice(0, wild)) {
      if (!this.#stat(start)?.isDirectory()) return []
      start = join(start, segment)
    }
    if (wild < 0) return this.#stat(start) ? [start] : []
    const matcher = new IgnoreMatcher([{ pattern, exception: false, line: 0 }])
    const deepest = segments.some((segment) => segment.includes('**')) ? Infinity : segments.length
    const found: string[] = []
    const visit = (directory: string, depth: number) => {
      if (this.#canceled()) throw new Error('canceled')
      for (const name of this.#list(directory)?.sort() ?? []) {
        const path = join(directory, name)
        if (matcher.ignores(base === '.' ? path : path.slice(base.length + 1))) found.push(path)
        else if (depth < deepest && this.#stat(path)?.isDirectory()) visit(path, depth + 1)
      }
    }
    if (this.#stat(start)?.isDirectory()) visit(start, wild + 1)
    return found
  }

  #ancestors(path: string, base: string): void {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const directory = path.slice(0, end)
      if (directory === base || this.#entries.has(directory)) return
      this.#add(directory, this.#stat(directory))
    }
  }

  /** Follows links as if the root were `/`. Undefined when it is not there or links loop. */
  #resolve(path: string): string | undefined {
    const todo = path.split('/').filter((part) => part !== '' && part !== '.')
    const done: string[] = []
    for (let links = 0; todo.length > 0;) {
      const part = todo.shift() ?? ''
      if (part === '..') {
        done.pop()
        continue
      }
      done.push(part)
      const stat = this.#stat(done.join('/'))
      if (!stat) return undefined
      if (!stat.isSymbolicLink()) continue
      if (++links > 40) return undefined
      const target = readlinkSync(this.#absolute(done.join('/')))
      if (target.startsWith('/')) done.length = 0
      else done.pop()
      todo.unshift(...target.split('/').filter((p) => p !== '' && p !== '.'))
    }
    return done.length === 0 ? '.' : done.join('/')
  }

  #walkFrom(path: string): boolean {
    if (this.#walked.has(path)) return this.#entries.has(path)
    this.#walked.add(path)
    if (path === '.') {
      this.#add('.', this.#stat('.'))
      this.#children('.', undefined)
      return true
    }
    const parts = path.split('/')
    let verdict: { ignored: boolean; matches: ParentMatch | undefined } = {
      ignored: false,
      matches: undefined,
    }
    for (let i = 1; i <= parts.length; i++)
      verdict = this.#matcher.step(parts.slice(0, i).join('/'), verdict.matches)
    return this.#walk(path, verdict)
  }

  /** True when anything at or below the path is kept. */
  #walk(path: string, verdict: { ignored: boolean; matches: ParentMatch | undefined }): boolean {
    if (this.#canceled()) throw new Error('canceled')
    const kept = this.#visit(path, verdict)
    if (!kept) this.#skipped.push(path)
    return kept
  }

  #visit(path: string, verdict: { ignored: boolean; matches: ParentMatch | undefined }): boolean {
    const stat = this.#stat(path)
    if (!stat) return false
    if (stat.isDirectory()) {
      if (verdict.ignored && !this.#matcher.hasExceptions) return false
      const kept = this.#children(path, verdict.matches)
      // Docker: an ignored directory exists all the same when an exception keeps something below it.
      if (verdict.ignored && !kept) return false
      this.#add(path, stat)
      return true
    }
    if (verdict.ignored) return false
    return this.#add(path, stat)
  }

  #children(path: string, matches: ParentMatch | undefined): boolean {
    let kept = false
    for (const name of this.#list(path) ?? []) {
      const child = join(path, name)
      if (this.#walk(child, this.#matcher.step(child, matches))) kept = true
    }
    return kept
  }

  #add(path: string, stat: BigIntStats | undefined): boolean {
    if (!stat) return false
    const common = { path, mode: Number(stat.mode & 0o7777n), uid: Number(stat.uid), gid: Number(stat.gid) }
    if (stat.isDirectory()) this.#entries.set(path, { ...common, type: 'd', content: '' })
    else if (stat.isSymbolicLink())
      this.#entries.set(path, {
        ...common,
        type: 'l',
        mode: 0o777,
        content: readlinkSync(this.#absolute(path)),
      })
    else if (stat.isFile())
      this.#entries.set(path, {
        ...common,
        type: 'f',
        content: this.#hash(path, stat),
        ...(stat.nlink > 1n && { inode: `${stat.dev}:${stat.ino}` }),
      })
    else if (stat.isFIFO()) this.#entries.set(path, { ...common, type: 'p', content: '' })
    // Sockets are of use to nobody, device nodes are refused where files are copied.
    else return false
    return true
  }

  #hash(path: string, stat: BigIntStats): string {
    const known = this.#index.get(path, stat)
    if (known !== undefined) return known
    const fd = openSync(
      this.#absolute(path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
    try {
      const hash = createHash('sha256')
      for (;;) {
        if (this.#canceled()) throw new Error('canceled')
        const size = readSync(fd, this.#buffer, 0, this.#buffer.length, null)
        if (size === 0) break
        hash.update(this.#buffer.subarray(0, size))
      }
      const digest = hash.digest('hex')
      this.#index.put(path, fstatSync(fd, { bigint: true }), digest)
      return digest
    } finally {
      closeSync(fd)
    }
  }

  #absolute(path: string): string {
    return path === '.' || path === '' ? this.#root : `${this.#root}/${path}`
  }

  #stat(path: string): BigIntStats | undefined {
    try {
      return lstatSync(this.#absolute(path), { bigint: true })
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  #list(path: string): string[] | undefined {
    try {
      const names = readdirSync(this.#absolute(path))
      const broken = names.find((name) => name.includes('\uFFFD'))
      if (broken !== undefined) throw new Error(`the file name ${join(path, broken)} is not UTF-8`)
      return names
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }
}

/** A pattern as a path below the root: nothing climbs out of it. */
function relative(pattern: string): string {
  const clean = cleanPath(`/${pattern}`)
  return clean === '/' ? '.' : clean.slice(1)
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function isBelowAny(path: string, directories: ReadonlySet<string>): boolean {
  if (directories.has('.') || directories.has(path)) return true
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    if (directories.has(path.slice(0, end))) return true
  return false
}

function join(directory: string, name: string): string {
  return directory === '.' ? name : `${directory}/${name}`
}
