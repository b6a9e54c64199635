/** Help texts, laid out as docker's. */
import type { Command } from './command.ts'
import { bool, type Flags } from './flags.ts'
import { entries, groups, type Entry } from './table.ts'

/** Docker: as wide as the terminal, at least 80. */
function width(): number {
  return Math.max(process.stdout.columns ?? 80, 80)
}

export function commandHelp(name: string, entry: Entry, definition: Command): string {
  let text = `Usage:  gantry ${name} ${definition.usage}\n\n${entry.about}\n`
  if (definition.more !== undefined) text += `\n${definition.more}\n`
  if (entry.names.length > 1)
    text += `\nAliases:\n  ${entry.names.map((alias) => `gantry ${alias}`).join(', ')}\n`
  // A command that is a group as well has flags for all that are in it.
  if (Object.hasOwn(groups, name)) text += `\n${commandsOf(name)}`
  const options = flagHelp(definition.flags)
  return options === '' ? text : `${text}\nOptions:\n${options}`
}

function flagHelp(flags: Flags): string {
  // Docker: shown where `-h` means something else.
  const help = Object.values(flags).some((flag) => flag.short === 'h') ? { help: bool('Print usage') } : {}
  const rows = Object.entries({ ...flags, ...help })
    .filter(([, flag]) => !flag.hidden)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => {
      const left = `  ${flag.short === undefined ? '   ' : `-${flag.short},`} --${name}${flag.kind === '' ? '' : ` ${flag.kind}`}`
      const shown = flag.shown === undefined ? '' : ` (default ${flag.shown})`
      return { left, right: flag.help + shown }
    })
  const column = Math.max(0, ...rows.map((row) => row.left.length)) + 3
  return rows.map((row) => row.left.padEnd(column) + wrap(row.right, column) + '\n').join('')
}

/** How far a last line may go over, where it is the last for that. */
const slop = 5

/** Breaks as docker's flag library does; further lines are indented to the column. */
function wrap(text: string, column: number): string {
  const room = width() - 1 - column - slop
  if (room < 24 - slop) return text.replaceAll('\n', `\n${' '.repeat(column)}`)
  const lines: string[] = []
  let rest = text
  while (rest !== '') {
    const at = breakOf(rest, room)
    lines.push(rest.slice(0, at))
    rest = rest.slice(at + 1)
  }
  return lines.join('\n').replaceAll('\n', `\n${' '.repeat(column)}`)
}

/** Where the first line ends: at a line break of its own, else at the last space that fits. */
function breakOf(text: string, room: number): number {
  if (room + slop > text.length) return text.length
  const head = text.slice(0, room)
  const space = Math.max(head.lastIndexOf(' '), head.lastIndexOf('\t'), head.lastIndexOf('\n'))
  if (space <= 0) return text.length
  const line = head.lastIndexOf('\n')
  return line > 0 && line < space ? line : space
}

function commandsOf(group: string): string {
  const rows = entries.flatMap((entry) => {
    const name = entry.names.find((candidate) => candidate.startsWith(`${group} `))
    return name === undefined || !entry.load || entry.quiet
      ? []
      : [[name.slice(group.length + 1), entry.about] as const]
  })
  return `Commands:\n${columns(rows.toSorted(([a], [b]) => (a < b ? -1 : 1)))}`
}

export function groupHelp(group: string): string {
  return `Usage:  gantry ${group} COMMAND

${groups[group]}

${commandsOf(group)}
Run 'gantry ${group} COMMAND --help' for more information on a command.
`
}

const common = ['run', 'exec', 'ps', 'build', 'images', 'version', 'info']

export function rootHelp(globals: Flags): string {
  const top = entries.flatMap((entry) => {
    const name = entry.names.find((candidate) => !candidate.includes(' '))
    return name === undefined || !entry.load || entry.quiet ? [] : [[name, entry.about] as const]
  })
  return `Usage:  gantry [OPTIONS] COMMAND

A complete container engine

Common Commands:
${columns(common.flatMap((name) => top.filter(([candidate]) => candidate === name)))}
Management Commands:
${columns(Object.entries(groups))}
Commands:
${columns(top.filter(([name]) => !common.includes(name)).toSorted(([a], [b]) => (a < b ? -1 : 1)))}
Global Options:
${flagHelp(globals)}
Run 'gantry COMMAND --help' for more information on a command.
`
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const size = Math.max(11, ...rows.map(([name]) => name.length + 1)) + 1
  return rows.map(([name, about]) => `  ${name.padEnd(size)}${about}\n`).join('')
}
