import { EngineError } from '../../lib/errors.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import type { BuildQuery } from '../../wire/build.ts'
import { splitCsv } from '../run-values.ts'

const { statSync } = process.getBuiltinModule('node:fs')

export type WireOutput = NonNullable<BuildQuery['outputs']>[number]

/** An output as the daemon gets it, and where we put what it sends. */
export interface ClientOutput {
  readonly wire: WireOutput
  /** `-` is standard output; a directory gets the files of the tar. */
  readonly dest?: { readonly kind: 'file' | 'directory'; readonly path: string }
}

interface OutputFlags {
  readonly output: readonly string[]
  readonly load: boolean
  readonly push: boolean
  readonly annotation: readonly string[]
}

/** `--output`, `--load`, `--push` and `--annotation`. None: an image of the local store, which needs no saying. */
export function parseOutputFlags(flags: OutputFlags, stdoutIsTerminal: boolean): ClientOutput[] {
  const outputs = flags.output.filter((text) => text !== '').map((text) => parse(text, stdoutIsTerminal))
  if (flags.push) {
    const images = outputs.filter(({ wire }) => wire.type === 'image')
    for (const { wire } of images) wire.attrs['push'] = 'true'
    if (images.length === 0) outputs.push(plain('image', { push: 'true' }))
  }
  const stores = ({ wire, dest }: ClientOutput) => wire.type === 'image' || (wire.type === 'docker' && !dest)
  if (flags.load && !outputs.some(stores)) outputs.push(plain('docker', {}))
  annotate(outputs, flags.annotation)
  const stdout = outputs.filter(({ dest }) => dest?.path === '-').length
  if (stdout > 1) throw new EngineError('invalid', 'only one output can go to standard output')
  return outputs
}

const plain = (type: string, attrs: Record<string, string>): ClientOutput => ({
  wire: { type, attrs, sent: false },
})

function parse(text: string, stdoutIsTerminal: boolean): ClientOutput {
  const fields = splitCsv(text)
  if (fields.length === 1 && fields[0] === text && !text.startsWith('type='))
    return text === '-'
      ? fileOutput('tar', {}, { dest: '-', stdoutIsTerminal })
      : directoryOutput('local', {}, text)
  const { type = '', dest = '', ...attrs } = Object.fromEntries(fields.map(pairOf))
  switch (type) {
    case '':
      throw new EngineError('invalid', 'type is required for output')
    case 'local':
      return directoryOutput(type, attrs, dest)
    case 'tar':
      return fileOutput(type, attrs, { dest: dest || '-', stdoutIsTerminal })
    case 'oci':
    case 'docker': {
      const { tar = 'true', ...rest } = attrs
      const asTar = parseBool(tar)
      if (asTar === undefined)
        throw new EngineError('invalid', `non-bool value ${JSON.stringify(tar)} specified for tar`)
      if (!asTar) return directoryOutput(type, rest, dest)
      if (type === 'docker' && dest === '') return plain(type, rest)
      return fileOutput(type, rest, { dest: dest || '-', stdoutIsTerminal })
    }
    case 'registry':
      return imageOutput({ ...attrs, push: attrs['push'] ?? 'true' }, dest)
    case 'image':
      return imageOutput(attrs, dest)
    default:
      throw new EngineError(
        'unsupported',
        `output type ${JSON.stringify(type)} is not supported: there are local, tar, oci, docker, image and registry`,
      )
  }
}

/** `type=oci`; a field without a value is a mistake. */
export function pairOf(field: string): [key: string, value: string] {
  const equals = field.indexOf('=')
  if (equals < 0) throw new EngineError('invalid', `invalid value ${field}`)
  return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)]
}

function imageOutput(attrs: Record<string, string>, dest: string): ClientOutput {
  if (dest !== '') throw new EngineError('invalid', 'output image has no dest: it goes to the local store')
  return plain('image', attrs)
}

function directoryOutput(type: string, attrs: Record<string, string>, path: string): ClientOutput {
  if (path === '') throw new EngineError('invalid', `dest is required for ${type} exporter`)
  if (path === '-') throw new EngineError('invalid', `dest cannot be stdout for ${type} exporter`)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new EngineError('invalid', `destination directory should be a directory: ${path}`)
  return { wire: { type, attrs, sent: true }, dest: { kind: 'directory', path } }
}

function fileOutput(
  type: string,
  attrs: Record<string, string>,
  o: { dest: string; stdoutIsTerminal: boolean },
): ClientOutput {
  const { dest } = o
  if (dest === '-' && o.stdoutIsTerminal)
    throw new EngineError(
      'invalid',
      `dest file is required for ${type} exporter. refusing to write to console`,
    )
  if (dest !== '-' && statSync(dest, { throwIfNoEntry: false })?.isDirectory())
    throw new EngineError('invalid', `destination file ${dest} is a directory`)
  return { wire: { type, attrs, sent: true }, dest: { kind: 'file', path: dest } }
}

/** `[manifest,index,…[platform]:]key=value` → attributes of every output that has a manifest. */
function annotate(outputs: ClientOutput[], annotations: readonly string[]): void {
  if (annotations.length === 0) return
  // Said aloud, so that the annotations go with it.
  if (outputs.length === 0) outputs.push(plain('image', {}))
  const attrs = annotations.flatMap(annotationAttrs)
  for (const { wire } of outputs)
    if (['image', 'oci', 'docker'].includes(wire.type)) Object.assign(wire.attrs, Object.fromEntries(attrs))
}

const places = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor']

function annotationAttrs(text: string): [string, string][] {
  const equals = text.indexOf('=')
  if (equals < 0)
    throw new EngineError('invalid', `invalid annotation ${JSON.stringify(text)}, expected key=value`)
  const left = text.slice(0, equals)
  const value = text.slice(equals + 1)
  const typed = /^((?:[a-z-]+(?:\[[^\]]*\])?)(?:,[a-z-]+(?:\[[^\]]*\])?)*):(.*)$/.exec(left)
  const key = typed?.[2] ?? left
  if (key.trim() === '')
    throw new EngineError('invalid', `invalid annotation ${JSON.stringify(text)}, expected key=value`)
  const kinds = typed?.[1]?.split(',') ?? ['manifest']
  return kinds.map((kind) => {
    const [, place = '', platform = ''] = /^([a-z-]+)(\[[^\]]*\])?$/.exec(kind) ?? []
    if (!places.includes(place))
      throw new EngineError('invalid', `unknown annotation type ${JSON.stringify(place)}`)
    return [`annotation-${place}${platform}.${key}`, value]
  })
}
