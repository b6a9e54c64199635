import type { Readable } from 'node:stream'
import type { LayerCompression, LayerForm } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import { readAnnotation, type Annotations } from './annotations.ts'

/** Hands a tar to whoever asked for it; called once, when the build has succeeded. It takes all of the tar or rejects. */
export type SendTar = (op: Op, tar: Readable) => Promise<void>

/** An exporter in BuildKit's words: `oci` with `name`, `compression` and so on. Without `send` the result stays here. */
export interface OutputRequest {
  readonly type: string
  readonly attrs: Readonly<Record<string, string>>
  readonly send?: SendTar
}

/** Attributes of one output; what nobody asked about in the end is refused by name. */
export class Attrs {
  readonly #what: string
  readonly #left: Map<string, string>

  constructor(request: OutputRequest, what: 'output' | 'cache') {
    this.#what = `${what} ${request.type}`
    this.#left = new Map(Object.entries(request.attrs))
  }

  text(name: string): string | undefined {
    const value = this.#left.get(name)
    this.#left.delete(name)
    return value
  }

  flag(name: string, initial: boolean): boolean {
    const value = this.text(name)
    if (value === undefined) return initial
    // A name alone comes as ''.
    const flag = value === '' || parseBool(value)
    if (flag === undefined)
      throw new EngineError('invalid', `non-bool value ${JSON.stringify(value)} specified for ${name}`)
    return flag
  }

  integer(name: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (!/^\d{1,4}$/.test(value))
      throw new EngineError('invalid', `non-int value ${JSON.stringify(value)} specified for ${name}`)
    return Number(value)
  }

  annotations(): Annotations {
    return [...this.#left].flatMap(([name, value]) => {
      const annotation = readAnnotation(name, value)
      if (!annotation) return []
      this.#left.delete(name)
      return [annotation]
    })
  }

  refuse(name: string): never {
    throw new EngineError('unsupported', `${this.#what}: ${name} is not supported`)
  }

  refuseRest(): void {
    for (const name of this.#left.keys()) this.refuse(name)
  }
}

/** `compression`, `compression-level`, `force-compression`. */
export function layerFormOf(attrs: Attrs): LayerForm {
  const compression = compressionOf(attrs.text('compression') ?? 'gzip')
  const level = attrs.integer('compression-level')
  const most = compression === 'zstd' ? 22 : 9
  if (level !== undefined && (compression === 'uncompressed' || level > most))
    throw new EngineError(
      'invalid',
      `compression level ${level} does not fit ${compression}: gzip has 0 to 9, zstd 0 to 22`,
    )
  const force = attrs.flag('force-compression', false)
  return { compression, force, ...(level !== undefined && { level }) }
}

function compressionOf(text: string): LayerCompression {
  switch (text) {
    case 'uncompressed':
    case 'gzip':
    case 'zstd':
      return text
    default:
      throw new EngineError(
        'unsupported',
        `layer compression ${JSON.stringify(text)} is not supported: there are uncompressed, gzip and zstd`,
      )
  }
}
