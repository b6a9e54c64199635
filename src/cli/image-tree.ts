/** `images --tree`: each image with the manifests that its names stand for, as docker 28 draws them. */
import { shortId } from '../lib/id.ts'
import { humanSize } from '../lib/units.ts'
import type { ImageManifestSummary, ImageSummary } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import { visible } from '../lib/visible.ts'

interface Details {
  readonly id: string
  readonly diskUsage: number
  readonly content: number
  readonly inUse: boolean
}

interface Line {
  readonly name: string
  /** Absent: further names of an image stand on lines of their own. */
  readonly details?: Details
  readonly style?: string
}

interface Column {
  readonly title: string
  readonly width: number
  readonly align: 'left' | 'right'
  readonly value: (details: Details) => string
  readonly style?: string
}

const styles = {
  title: '\x1b[39m\x1b[1m',
  name: '\x1b[34m\x1b[1m',
  plain: '\x1b[39m',
  faint: '\x1b[39m\x1b[2m',
}
const chip = '\x1b[38;5;0m\x1b[48;5;14m'
const spacing = 3
/** The names never get less room: the last columns are left out before. */
const minimumName = 12

const columns: readonly Column[] = [
  { title: 'ID', width: 12, align: 'left', value: ({ id }) => shortId(id) },
  { title: 'DISK USAGE', width: 10, align: 'right', value: ({ diskUsage }) => humanSize(diskUsage) },
  { title: 'CONTENT SIZE', width: 12, align: 'right', value: ({ content }) => humanSize(content) },
  { title: 'EXTRA', width: 5, align: 'left', value: ({ inUse }) => (inUse ? 'U' : ''), style: chip },
]

/** `width` is the terminal's; `colour` is for terminals alone. */
export function drawImageTree(
  images: readonly ImageSummary[],
  o: { width: number; colour: boolean },
): string {
  const width = Math.max(o.width, 20)
  const paint = (text: string, style: string) => (o.colour && text !== '' ? `${style}${text}\x1b[0m` : text)
  const groups = images.map(linesOf)
  const widest = Math.max(...groups.flat().map(({ name }) => Array.from(name).length), 'IMAGE'.length)
  let room = width
  const shown = columns.filter((column) => {
    const rest = room - column.width - spacing
    if (rest >= minimumName) room = rest
    else room = 0
    return rest >= minimumName
  })
  const used = shown.reduce((sum, column) => sum + column.width + spacing, 0)
  const nameWidth = Math.min(widest, width - used)

  const cell = (text: string, style: string, column: Column) => {
    const space = ' '.repeat(Math.max(0, column.width - text.length))
    return (
      ' '.repeat(spacing) +
      (column.align === 'left' ? paint(text, style) + space : space + paint(text, style))
    )
  }
  const row = ({ name, details, style = styles.plain }: Line, titles = false) => {
    const cut = details || titles ? truncate(name, nameWidth) : name
    let text = paint(cut, style) + ' '.repeat(Math.max(0, nameWidth - Array.from(cut).length))
    const rest = style === styles.faint && !name.startsWith('<') ? styles.faint : styles.plain
    if (titles) for (const column of shown) text += cell(column.title, styles.title, column)
    else if (details)
      for (const column of shown) text += cell(column.value(details), column.style ?? rest, column)
    return `${text.trimEnd()}\n`
  }
  const legend = ['U', ' In Use'] as const
  const indent = ' '.repeat(width - 1 - legend.join('').length)
  const head = shown.length === columns.length ? `${indent}${paint(legend[0], chip)}${legend[1]}\n\n` : ''
  let out = head + row({ name: 'IMAGE', style: styles.title }, true)
  for (const lines of groups) out += `${lines.map((line) => row(line)).join('')}\n`
  return out
}

/** The names, the longest first, and below them what they stand for; attestations belong to the images that they are about. */
function linesOf(image: ImageSummary): Line[] {
  const children = (image.Manifests ?? []).flatMap((one) => childOf(one) ?? [])
  const details: Details = {
    id: image.Id,
    diskUsage: image.Size,
    content: children.reduce((sum, child) => sum + child.details.content, 0),
    inUse: image.Containers > 0 || children.some((child) => child.details.inUse),
  }
  const names = image.RepoTags.map(visible).toSorted((a, b) => b.length - a.length)
  const last = names.pop()
  return [
    ...names.map((name) => ({ name, style: styles.name })),
    last === undefined
      ? { name: '<untagged>', details, style: styles.faint }
      : { name: last, details, style: styles.name },
    ...children.map((child, index) => ({
      ...child,
      name: `${index === children.length - 1 ? '└─' : '├─'} ${child.name}`,
    })),
  ]
}

function childOf(one: ImageManifestSummary): (Line & { details: Details }) | undefined {
  if (!one.ImageData) return undefined
  return {
    name: visible(platformText(one.ImageData.Platform)),
    details: {
      id: one.ID,
      diskUsage: one.Size.Total,
      content: one.Size.Content,
      inUse: one.ImageData.Containers.length > 0,
    },
    style: one.Available ? styles.plain : styles.faint,
  }
}

const platformText = ({ os, architecture, variant }: Platform) =>
  [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')

function truncate(text: string, length: number): string {
  const characters = Array.from(text)
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 3)).join('')}...`
}
