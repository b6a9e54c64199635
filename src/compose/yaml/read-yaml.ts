/**
 * The text of a Compose file as trees with places: one for each document in it. Anchors, aliases and merge keys are
 * resolved; what they may grow to is bounded, since a file may come from anywhere.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Pair,
  type YAMLMap,
} from 'yaml'
import {
  ComposeError,
  mapping,
  scalar,
  sequence,
  type Entry,
  type Node,
  type Path,
  type Place,
} from '../node.ts'
import { resolvePlain } from './plain-scalar.ts'

export interface YamlDocument {
  readonly root: Node
  /** What `!reset` and `!override` take out of the files before this one. */
  readonly cleared: readonly Path[]
}

const maxBytes = 4 << 20
const maxNodes = 500_000
const maxDepth = 200

/** `file` is how faults name it. Throws ComposeError with line and column. */
export function readYaml(text: string, file: string): YamlDocument[] {
  if (text.length > maxBytes)
    throw new ComposeError({ file, line: 0, column: 0 }, `the file is larger than ${maxBytes >> 20} MiB`)
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    schema: 'failsafe',
    uniqueKeys: false,
    merge: false,
    prettyErrors: false,
    logLevel: 'silent',
    // As docker's parser: what is wrong only by the letter of YAML is read.
    strict: false,
  })
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document) => {
    const reader = new Reader(file, lines, document)
    const [error] = document.errors
    if (error) throw new ComposeError(reader.place(error.pos[0]), `invalid YAML: ${firstLine(error.message)}`)
    return document.contents === null ? [] : [reader.document()]
  })
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/[.:]?\s*$/, '')
}

function twice(key: string, { line }: Place): string {
  return `mapping key "${key}" already defined at line ${line}`
}

interface Anchored {
  readonly node: Node
  readonly size: number
}

/** Reads one document. */
class Reader {
  readonly #file: string
  readonly #lines: LineCounter
  readonly #document: Document
  readonly #anchors = new Map<string, Anchored | undefined>()
  readonly #cleared: Path[] = []
  #count = 0

  constructor(file: string, lines: LineCounter, document: Document) {
    this.#file = file
    this.#lines = lines
    this.#document = document
  }

  document(): YamlDocument {
    const root = this.#node(this.#document.contents, [], undefined) ?? scalar(null)
    return { root, cleared: this.#cleared }
  }

  place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.#file, line, column: col }
  }

  /** Undefined for what `!reset` leaves out. */
  #node(source: unknown, path: Path, outer: Place | undefined): Node | undefined {
    if (isAlias(source)) return this.#alias(source.source, this.place(source.range?.[0] ?? 0))
    if (!isMap(source) && !isSeq(source) && !isScalar(source)) return scalar(null, outer)
    const at = source.range ? this.place(source.range[0]) : (outer ?? this.place(0))
    if (path.length > maxDepth) throw new ComposeError(at, `more than ${maxDepth} levels deep`)
    this.#add(1, at)
    if (source.tag === '!reset') {
      this.#cleared.push(path)
      return undefined
    }
    if (source.tag === '!override') this.#cleared.push(path)
    const { anchor } = source
    const before = this.#count
    if (anchor !== undefined) this.#anchors.set(anchor, undefined)
    const node = isMap(source)
      ? this.#mapping(source, path, at)
      : isSeq(source)
        ? sequence(
            source.items.flatMap((item) => this.#node(item, [...path, '[]'], at) ?? []),
            at,
          )
        : this.#scalar(source.value, source.type === 'PLAIN' ? source.tag : (source.tag ?? 'text'), at)
    if (anchor !== undefined) this.#anchors.set(anchor, { node, size: this.#count - before + 1 })
    return node
  }

  #add(size: number, at: Place): void {
    this.#count += size
    if (this.#count > maxNodes)
      throw new ComposeError(at, `the document has more than ${maxNodes} values, aliases included`)
  }

  #alias(name: string, at: Place): Node {
    if (!this.#anchors.has(name)) throw new ComposeError(at, `unknown anchor '${name}' referenced`)
    const anchored = this.#anchors.get(name)
    if (!anchored) throw new ComposeError(at, `anchor '${name}' value contains itself`)
    this.#add(anchored.size, at)
    return anchored.node
  }

  #scalar(value: unknown, tag: string | undefined, at: Place): Node {
    const text = typeof value === 'string' ? value : ''
    if (tag === undefined || tag === '!override') return { ...scalar(null, at), ...resolvePlain(text) }
    const resolved = resolvePlain(text)
    switch (tag) {
      case '!':
      case 'text':
      case 'tag:yaml.org,2002:str':
      case 'tag:yaml.org,2002:binary':
        return scalar(text, at)
      case 'tag:yaml.org,2002:int':
      case 'tag:yaml.org,2002:float':
        if (typeof resolved.value !== 'number') break
        return { ...scalar(resolved.value, at), ...(tag.endsWith('float') && { float: true }) }
      case 'tag:yaml.org,2002:bool':
        if (typeof resolved.value === 'boolean') return scalar(resolved.value, at)
        break
      case 'tag:yaml.org,2002:null':
        if (resolved.value === null) return scalar(null, at)
        break
      default:
        // Docker: tags that nobody knows leave the value as it is.
        return { ...scalar(null, at), ...resolved }
    }
    throw new ComposeError(at, `cannot decode ${JSON.stringify(text)} as a !!${tag.replace(/.*:/, '')}`)
  }

  #mapping(source: YAMLMap, path: Path, at: Place): Node {
    const entries = new Map<string, Entry>()
    const merged: Node[] = []
    let mergeKey: Place | undefined
    for (const pair of source.items) {
      const key = this.#key(pair, path, at)
      if (key.merges) {
        if (mergeKey) throw new ComposeError(key.at, twice(key.text, mergeKey))
        mergeKey = key.at
        const value = this.#node(pair.value, path, key.at)
        if (value) merged.push(...(value.kind === 'sequence' ? value.items : [value]))
        continue
      }
      const earlier = entries.get(key.text)
      if (earlier) throw new ComposeError(key.at, twice(key.text, earlier.at))
      const value = this.#node(pair.value, [...path, key.text], key.at)
      if (value) entries.set(key.text, { at: key.at, value })
    }
    for (const node of merged) {
      if (node.kind !== 'mapping')
        throw new ComposeError(node.at, 'map merge requires map or sequence of maps as the value')
      for (const [key, entry] of node.entries) if (!entries.has(key)) entries.set(key, entry)
    }
    return mapping(entries, at)
  }

  #key(pair: Pair, path: Path, outer: Place): { text: string; at: Place; merges: boolean } {
    const key = isAlias(pair.key) ? this.#alias(pair.key.source, outer) : this.#node(pair.key, path, outer)
    const at = key?.at ?? outer
    if (key?.kind === 'scalar' && typeof key.value === 'string') {
      const merges = key.value === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN'
      return { text: key.value, at, merges }
    }
    const shown = key?.kind === 'scalar' ? String(key.value) : 'a collection'
    const where = path.length > 0 ? `${path.join('.')}: ` : ''
    throw new ComposeError(
      at,
      `${where}non-string key ${shown}${key?.kind === 'scalar' ? ': put it in quotes' : ''}`,
    )
  }
}
