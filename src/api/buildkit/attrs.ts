import { EngineError } from '../../lib/errors.ts'
import type { Ulimit } from '../../wire/container.ts'

/** The options of a frontend, taken one after the other: at the end none may be left that nobody looked at. */
export class Attrs {
  readonly #left: Map<string, string>

  constructor(attrs: Readonly<Record<string, string>>) {
    this.#left = new Map(Object.entries(attrs))
  }

  /** Undefined when it is not there; empty values count as that. */
  take(name: string): string | undefined {
    return this.takeRaw(name) || undefined
  }

  takeRaw(name: string): string | undefined {
    const value = this.#left.get(name)
    this.#left.delete(name)
    return value
  }

  /** All that begin with `prefix`, without it. */
  takeAll(prefix: string): Record<string, string> {
    const taken: [string, string][] = []
    for (const [name, value] of this.#left)
      if (name.startsWith(prefix)) {
        this.#left.delete(name)
        taken.push([name.slice(prefix.length), value])
      }
    return Object.fromEntries(taken)
  }

  refuseRest(): void {
    const [name] = this.#left.keys()
    if (name !== undefined)
      throw new EngineError('unsupported', `build: the option ${JSON.stringify(name)} is not supported`)
  }
}

/** `name=ip,name=ip`, as clients send `--add-host`. */
export function parseHosts(text: string | undefined): string[] {
  if (text === undefined) return []
  return text.split(',').map((entry) => {
    const [, name, ip] = /^([^=:]+)[=:](.+)$/.exec(entry) ?? []
    if (name === undefined || ip === undefined)
      throw new EngineError('invalid', `failed to parse additional hosts: ${JSON.stringify(entry)}`)
    return `${name}:${ip}`
  })
}

/** `nofile=1024:2048,nproc=10` */
export function parseUlimits(text: string | undefined): Ulimit[] {
  if (text === undefined) return []
  return text.split(',').map((entry) => {
    const [, name, soft, hard] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(entry) ?? []
    if (name === undefined || soft === undefined)
      throw new EngineError('invalid', `failed to parse ulimit: ${JSON.stringify(entry)}`)
    return { Name: name, Soft: Number(soft), Hard: Number(hard ?? soft) }
  })
}
