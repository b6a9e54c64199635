/** `SOURCE:TARGET:OPTIONS` of a service's volume. */
import { ComposeError, mapping, scalar, type Mapping, type Node, type Place } from '../node.ts'

export interface ParsedVolume {
  readonly target: string
  /** The long form. */
  readonly node: Mapping
}

const propagations = new Set(['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'])

export function parseVolume(text: string, at: Place): ParsedVolume {
  const text_ = (value: string) => scalar(value, at)
  const long = (entries: readonly (readonly [string, Node | undefined])[], target: string) => ({
    target,
    node: mapping(entries, at),
  })
  if (text === '') throw new ComposeError(at, 'invalid empty volume spec')
  if (text.length <= 2)
    return long(
      [
        ['type', text_('volume')],
        ['target', text_(text)],
      ],
      text,
    )
  const parts = split(text)
  const refuse = (why: string) => new ComposeError(at, `invalid spec: ${text}: ${why}`)
  if (parts.includes('')) throw refuse('empty section between colons')
  if (parts.length > 3) throw refuse('too many colons')
  const [first = '', second, options = ''] = parts
  const [source, target] = second === undefined ? ['', first] : [first, second]
  const found = optionsOf(options, at)
  const isPath = /^(?:[./~]|\\\\|[a-zA-Z]:)/.test(source)
  const bind = [...found.bind, ...(isPath ? [['create_host_path', scalar(true, at)] as const] : [])]
  return long(
    [
      ['type', text_(isPath ? 'bind' : 'volume')],
      ['source', source === '' ? undefined : text_(source)],
      ['target', text_(target)],
      ['read_only', found.readOnly === undefined ? undefined : scalar(found.readOnly, at)],
      ['bind', bind.length > 0 ? mapping(bind, at) : undefined],
      ['volume', !isPath || found.volume.length > 0 ? mapping(found.volume, at) : undefined],
    ],
    target,
  )
}

/** At colons, but for those of Windows drives and of variables that are not replaced yet. */
function split(text: string): string[] {
  const parts: string[] = []
  let part = ''
  let depth = 0
  for (const [index, letter] of Array.from(text).entries()) {
    if (letter === '$' && text[index + 1] === '{') depth++
    else if (letter === '}' && depth > 0) depth--
    if (letter !== ':' || depth > 0 || /^[a-zA-Z]$/.test(part)) part += letter
    else {
      parts.push(part)
      part = ''
    }
  }
  return [...parts, part]
}

interface VolumeOptions {
  readonly readOnly: boolean | undefined
  readonly bind: readonly (readonly [string, Node])[]
  readonly volume: readonly (readonly [string, Node])[]
}

function optionsOf(text: string, at: Place): VolumeOptions {
  let readOnly: boolean | undefined
  const bind = new Map<string, Node>()
  const volume = new Map<string, Node>()
  for (const option of text === '' ? [] : text.split(',')) {
    if (option === 'ro' || option === 'rw') readOnly = option === 'ro'
    else if (option === 'nocopy') volume.set('nocopy', scalar(true, at))
    else if (propagations.has(option)) bind.set('propagation', scalar(option, at))
    else if (option === 'z' || option === 'Z') bind.set('selinux', scalar(option, at))
    // Docker: other options are left out without a word; the engine's own, such as idmap, need the long form.
  }
  return { readOnly, bind: [...bind], volume: [...volume] }
}
