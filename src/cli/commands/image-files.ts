import type { ImageFile } from '../../wire/image-files.ts'
import { command } from '../command.ts'
import { jsonFormat } from '../common-flags.ts'
import { bool, int } from '../flags.ts'
import { OutputQueue } from '../output-queue.ts'
import { alignTable } from '../text.ts'
import { visible } from '../../lib/visible.ts'

export const lsFiles = command({
  usage: '[OPTIONS] IMAGE [PATH]',
  arguments: [1, 2],
  flags: {
    depth: int('How many directories deep to go (0: all)'),
    format: jsonFormat(),
    long: bool('Show type, mode, owner, size, time and layer', { short: 'l' }),
  },
  async run(context, flags, [name = '', path = '/']) {
    const files = context.client.imageFiles.list(name, {
      path,
      ...(flags.depth > 0 && { depth: flags.depth }),
    })
    const rows: string[][] = []
    for await (const file of files)
      if (flags.format === 'json') context.out(`${JSON.stringify(file)}\n`)
      else if (flags.long) rows.push(longRow(file))
      else context.out(`${visible(file.Path)}\n`)
    if (rows.length > 0) context.out(alignTable(rows, 0))
  },
})

const types: Readonly<Record<ImageFile['Type'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
}

function longRow(file: ImageFile): string[] {
  const { Type, Mode, Uid, Gid, Size, Mtime, Path, Link, Layer } = file
  return [
    `${types[Type]}${modeText(Mode)}`,
    `${Uid}:${Gid}`,
    Type === 'file' ? String(Size) : '-',
    new Date(Mtime * 1000).toISOString().slice(0, 16).replace('T', ' '),
    `layer ${Layer}`,
    visible(Path) + (Link === undefined ? '' : ` -> ${visible(Link)}`),
  ]
}

/** `rwxr-xr-x`, as ls writes it. */
export function modeText(mode: number): string {
  const special = [0o4000, 0o2000, 0o1000]
  return [6, 3, 0]
    .map((shift, index) => {
      const bits = (mode >> shift) & 7
      const set = (mode & (special[index] ?? 0)) !== 0
      const letter = index === 2 ? 't' : 's'
      const execute = bits & 1 ? (set ? letter : 'x') : set ? letter.toUpperCase() : '-'
      return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${execute}`
    })
    .join('')
}

export const cat = command({
  usage: 'IMAGE PATH',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [name = '', path = '']) {
    const content = await context.client.imageFiles.read(name, path)
    const output = new OutputQueue()
    for await (const chunk of content as AsyncIterable<Buffer>)
      if (!output.write(1, chunk)) await output.drained()
    await output.flushed()
  },
})
