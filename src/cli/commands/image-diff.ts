import { shortId } from '../../lib/id.ts'
import { humanSize } from '../../lib/units.ts'
import type { ConfigDifference, FileDifference, ImageDiff } from '../../wire/image-files.ts'
import { command } from '../command.ts'
import { jsonFormat } from '../common-flags.ts'
import { bool } from '../flags.ts'
import { alignTable } from '../text.ts'
import { visible } from '../../lib/visible.ts'

export const diff = command({
  usage: '[OPTIONS] IMAGE IMAGE',
  arguments: [2, 2],
  flags: {
    all: bool('List what is in added and removed directories, too', { short: 'a' }),
    'exit-code': bool('Exit with 1 if the images differ'),
    format: jsonFormat(),
  },
  async run(context, flags, [from = '', to = '']) {
    const found = await context.client.imageFiles.diff(from, to)
    if (flags.format === 'json') context.out(`${JSON.stringify(found, undefined, 2)}\n`)
    else context.out(text(found, { names: [from, to], all: flags.all }))
    return flags['exit-code'] && found.Files.length + found.Config.length > 0 ? 1 : 0
  },
})

function text(found: ImageDiff, o: { names: readonly string[]; all: boolean }): string {
  const { From, To, Files, Config } = found
  const side = (mark: string, name: string, { Id, Size }: ImageDiff['From']) =>
    `${mark} ${visible(name)} (${shortId(Id)}, ${humanSize(Size)})\n`
  let out = side('---', o.names[0] ?? '', From) + side('+++', o.names[1] ?? '', To)
  if (Files.length === 0 && Config.length === 0)
    return `${out}The images have the same files and the same configuration.\n`
  if (Config.length > 0) out += `\nConfiguration\n${alignTable(Config.map(configRow), 0)}`
  if (Files.length > 0) {
    const rows = (o.all ? Files.map((file) => ({ file, more: '' })) : folded(Files)).map(fileRow)
    out += `\nFiles: ${summary(Files)}\n${alignTable(rows, 0)}`
  }
  return out
}

function configRow({ Field, From, To }: ConfigDifference): string[] {
  const mark = From === undefined ? 'A' : To === undefined ? 'D' : 'C'
  const values = [From, To].filter((value) => value !== undefined).map(visible)
  return [`  ${mark}`, visible(Field), values.join(' → ')]
}

function summary(files: readonly FileDifference[]): string {
  const of = (change: FileDifference['Change']) =>
    files.filter((file) => file.Change === change && file.Type !== 'directory')
  const size = (list: readonly FileDifference[], key: 'SizeFrom' | 'SizeTo') =>
    humanSize(list.reduce((sum, file) => sum + (file[key] ?? 0), 0))
  const [added, removed, changed] = [of('added'), of('removed'), of('changed')]
  return `${added.length} added (${size(added, 'SizeTo')}), ${removed.length} removed (${size(removed, 'SizeFrom')}), ${changed.length} changed`
}

interface Shown {
  readonly file: FileDifference
  /** What a directory stands for. */
  readonly more: string
}

/** Directories that are new or gone stand for all that is in them. */
function folded(files: readonly FileDifference[]): Shown[] {
  const shown: Shown[] = []
  for (let at = 0; at < files.length; at++) {
    const file = files[at]
    if (!file) break
    if (file.Type !== 'directory' || file.Change === 'changed') {
      shown.push({ file, more: '' })
      continue
    }
    const inside = files.filter((each) => each.Path.startsWith(`${file.Path}/`))
    // What comes in between by name is not inside: /a, /a-b, /a/c.
    const rest = new Set(inside)
    const bytes = inside.reduce((sum, each) => sum + (each.SizeTo ?? each.SizeFrom ?? 0), 0)
    const count = inside.filter((each) => each.Type !== 'directory').length
    shown.push({ file, more: `${count} file${count === 1 ? '' : 's'}, ${humanSize(bytes)}` })
    files = [...files.slice(0, at + 1), ...files.slice(at + 1).filter((each) => !rest.has(each))]
  }
  return shown
}

const marks = { added: 'A', removed: 'D', changed: 'C' } as const

function fileRow({ file, more }: Shown): string[] {
  const { Change, Path, Type, SizeFrom, SizeTo, What } = file
  const sizes = [SizeFrom, SizeTo].filter((size) => size !== undefined).map((size) => humanSize(size))
  const size = new Set(sizes).size === 1 ? (sizes[0] ?? '') : sizes.join('→')
  const note = more === '' ? (What ?? []).map(visible).join(', ') : more
  return [
    `  ${marks[Change]}`,
    size,
    `${visible(Path)}${Type === 'directory' ? '/' : ''}${note === '' ? '' : `  ${note}`}`,
  ]
}
