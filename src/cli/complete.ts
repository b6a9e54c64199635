/** What may come next on a command line, from the command table and from what the daemon has: for the shells' completion. */
import type { Client } from '../client/index.ts'
import { shortId } from '../lib/id.ts'
import type { Command } from './command.ts'
import type { Flag, Flags } from './flags.ts'
import { entries, groups, type Entry } from './table.ts'

export interface Candidate {
  readonly text: string
  readonly about: string
}

/** `files`: the shell completes names of files. */
export interface Completion {
  readonly candidates: readonly Candidate[]
  readonly files: boolean
}

const nothing: Completion = { candidates: [], files: false }
const files: Completion = { candidates: [], files: true }

/** `words` are those after `gantry`, the last one unfinished. `client` starts no daemon, and may find none. */
export async function complete(
  words: readonly string[],
  o: { globals: Flags; client: Client },
): Promise<Completion> {
  const last = words.at(-1) ?? ''
  const { path, entry, definition, rest } = await commandOf(words.slice(0, -1), o.globals)
  if (!definition || (entry && Object.hasOwn(groups, path) && rest.length === 0)) {
    if (last.startsWith('-')) return withPrefix(last, flagNames(definition?.flags ?? o.globals))
    return withPrefix(last, nextWords(path))
  }
  const before = rest.at(-1)
  const flag = before === undefined ? undefined : wanting(before, definition.flags)
  if (flag) return withPrefix(last, await valuesOf(flag, o.client), { orFiles: true })
  if (last.startsWith('-')) return withPrefix(last, flagNames(definition.flags))
  return argumentsOf(last, definition, rest, o.client)
}

interface Place {
  /** The command's words so far. */
  readonly path: string
  readonly entry?: Entry | undefined
  readonly definition?: Command | undefined
  /** What follows them. */
  readonly rest: readonly string[]
}

async function commandOf(words: readonly string[], globals: Flags): Promise<Place> {
  let at = skipFlags(words, 0, globals)
  let place: Place = { path: '', rest: words.slice(at) }
  const path: string[] = []
  while (at < words.length) {
    path.push(words[at++] ?? '')
    const name = path.join(' ')
    const entry = entries.find((each) => each.names.includes(name) && each.load)
    const isPrefix = entries.some((each) => each.names.some((other) => other.startsWith(`${name} `)))
    if (!entry && !isPrefix) return place.entry ? place : { path: name, rest: [], definition: unknown }
    const definition = await entry?.load?.()
    place = { path: name, entry, definition, rest: words.slice(at) }
    if (!isPrefix) return place
    // A command that is a group as well may have flags before the next word.
    if (definition) at = skipFlags(words, at, definition.flags)
    place = { ...place, rest: words.slice(at) }
  }
  return place
}

/** Stands for a command that is not there. */
const unknown: Command = { usage: '', flags: {}, arguments: [0, 0], run: () => Promise.resolve() }

function skipFlags(words: readonly string[], from: number, flags: Flags): number {
  let at = from
  for (let word = words[at]; word?.startsWith('-'); word = words[at]) at += wanting(word, flags) ? 2 : 1
  return at
}

/** The flag whose value is the next word. */
function wanting(word: string, flags: Flags): { name: string; flag: Flag } | undefined {
  if (!word.startsWith('-') || word.includes('=') || word === '--') return undefined
  const found = word.startsWith('--')
    ? Object.entries(flags).find(([name]) => name === word.slice(2))
    : Object.entries(flags).find(([, { short }]) => short === word.at(-1))
  return found && found[1].bare === undefined ? { name: found[0], flag: found[1] } : undefined
}

function nextWords(path: string): Candidate[] {
  const found = new Map<string, string>()
  for (const { names, about, load, quiet } of entries) {
    if (!load || quiet) continue
    for (const name of names) {
      const rest = path === '' ? name : name.startsWith(`${path} `) ? name.slice(path.length + 1) : ''
      const [word = '', more] = rest.split(' ')
      if (word === '') continue
      if (more === undefined) found.set(word, about)
      else if (!found.has(word)) found.set(word, groups[path === '' ? word : `${path} ${word}`] ?? '')
    }
  }
  return [...found].map(([text, about]) => ({ text, about }))
}

function flagNames(flags: Flags): Candidate[] {
  const shown = Object.entries(flags).filter(([, flag]) => !flag.hidden)
  return [
    ...shown.map(([name, flag]) => ({ text: `--${name}`, about: flag.help.split('\n')[0] ?? '' })),
    { text: '--help', about: 'Print usage' },
  ]
}

async function valuesOf({ name, flag }: { name: string; flag: Flag }, client: Client): Promise<Candidate[]> {
  if (name === 'network' || name === 'net') return networks(client)
  if (name === 'volumes-from' || name === 'link') return containers(client, { all: true })
  if (name === 'restart') return ['no', 'always', 'on-failure', 'unless-stopped'].map(bare)
  if (name === 'pull') return ['always', 'missing', 'never'].map(bare)
  if (name === 'format') return ['json', 'table'].map(bare)
  return flag.kind === 'volume' ? volumes(client) : []
}

const bare = (text: string): Candidate => ({ text, about: '' })

/** By docker's words in the usage. */
async function argumentsOf(
  last: string,
  { usage, interspersed, flags }: Command,
  rest: readonly string[],
  client: Client,
): Promise<Completion> {
  const given = rest.filter(
    (word, index) => !word.startsWith('-') && !(index > 0 && wanting(rest[index - 1] ?? '', flags)),
  ).length
  // What follows the first argument belongs to the container.
  if (interspersed === false && given > 0) return files
  const kinds = usage.replace('[OPTIONS]', '').trim().split(/\s+/)
  const kind = (kinds[Math.min(given, kinds.length - 1)] ?? '').replaceAll(/[[\].]/g, '')
  if (kind.startsWith('CONTAINER')) {
    const colon = last.indexOf(':')
    return colon >= 0 ? nothing : withPrefix(last, await containers(client, { all: true }))
  }
  if (/IMAGE/.test(kind)) return withPrefix(last, await images(client))
  if (kind.startsWith('VOLUME')) return withPrefix(last, await volumes(client))
  if (kind.startsWith('NETWORK')) return withPrefix(last, await networks(client))
  return kind === '' ? nothing : files
}

function withPrefix(last: string, all: readonly Candidate[], o: { orFiles?: boolean } = {}): Completion {
  const candidates = all
    .filter(({ text }) => text.startsWith(last))
    .toSorted((a, b) => (a.text < b.text ? -1 : 1))
  return { candidates, files: o.orFiles === true && all.length === 0 }
}

async function containers(client: Client, o: { all: boolean }): Promise<Candidate[]> {
  const list = await client.containers.list(o)
  return list.map((c) => ({
    text: (c.Names[0] ?? shortId(c.Id)).replace(/^\//, ''),
    about: `${c.Image}, ${c.Status}`,
  }))
}

async function images(client: Client): Promise<Candidate[]> {
  const list = await client.images.list()
  return list.flatMap((image) =>
    (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>').map((text) => ({ text, about: '' })),
  )
}

async function volumes(client: Client): Promise<Candidate[]> {
  return ((await client.volumes.list()).Volumes ?? []).map((volume) => bare(volume.Name))
}

async function networks(client: Client): Promise<Candidate[]> {
  return (await client.networks.list()).map((network) => ({ text: network.Name, about: network.Driver }))
}
