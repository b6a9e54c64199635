/**
 * The corpus as text, many small projects in one file that reads well:
 *
 *     === name  what it shows
 *     run: config --format json
 *     env: TAG=1
 *     --- compose.yaml
 *     services: …
 *     --- sub/.env
 *     A=1
 *
 * Lines before the first `---`, all optional: `run:` what stands after `compose`, as words (else `config`), `env:` variables
 * as words, `in:` the folder to be in, `ours:` why what is expected is not what docker compose prints, `#` a comment. A file whose last line is `\c` has no line end there. The folder has the
 * case's name, and so has the project.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export interface Case {
  readonly group: string
  readonly name: string
  readonly title: string
  readonly run: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Below the case's folder. */
  readonly cwd: string
  readonly ours: string | undefined
  readonly files: ReadonlyMap<string, string>
}

export const folder = import.meta.dirname

/** All cases, by file and as they stand there. */
export function allCases(): Case[] {
  return readdirSync(join(folder, 'cases'))
    .toSorted()
    .flatMap((file) => parseCases(basename(file, '.txt'), readFileSync(join(folder, 'cases', file), 'utf8')))
}

function parseCases(group: string, text: string): Case[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => parseCase(group, part))
}

function parseCase(group: string, text: string): Case {
  const [head = '', ...files] = text.split(/^--- /m)
  const [first = '', ...lines] = head.split('\n')
  const [, name = '', title = ''] = /^(\S+)\s*(.*)$/.exec(first) ?? []
  const setting = (key: string) => lines.find((line) => line.startsWith(`${key}: `))?.slice(key.length + 2)
  return {
    group,
    name,
    title,
    run: words(setting('run') ?? 'config'),
    env: Object.fromEntries(words(setting('env') ?? '').map((word) => word.split(/=(.*)/s).slice(0, 2))),
    cwd: setting('in') ?? '.',
    ours: setting('ours'),
    files: new Map(files.map(parseFile)),
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

function parseFile(text: string): [string, string] {
  const end = text.indexOf('\n')
  const body = text.slice(end + 1).replace(/\n\n$/, '\n')
  return [text.slice(0, end).trim(), body.replace(/\n\\c\n$/, '')]
}

/** Writes the files of a case below `root`, in a folder of its name; that folder. */
export function writeCase({ name, files }: Case, root: string): string {
  const own = join(root, name)
  mkdirSync(own, { recursive: true })
  for (const [path, text] of files) {
    mkdirSync(dirname(join(own, path)), { recursive: true })
    writeFileSync(join(own, path), text)
  }
  return own
}
