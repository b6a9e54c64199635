import { EngineError } from '../lib/errors.ts'

/** Who uses which volume: containers, which somebody else knows of, and whoever holds a claim for a while. */
export class Uses {
  readonly #claims = new Map<string, { readonly who: string }[]>()
  #usedBy: (name: string) => readonly string[] = () => []

  /** Who tells the ids of the containers that mount a volume, running or not. */
  ask(usedBy: (name: string) => readonly string[]): void {
    this.#usedBy = usedBy
  }

  containers(name: string): readonly string[] {
    return this.#usedBy(name)
  }

  claim(name: string, who: string): Disposable {
    const claim = { who }
    this.#claims.set(name, [...(this.#claims.get(name) ?? []), claim])
    return {
      [Symbol.dispose]: () => {
        const left = (this.#claims.get(name) ?? []).filter((other) => other !== claim)
        if (left.length > 0) this.#claims.set(name, left)
        else this.#claims.delete(name)
      },
    }
  }

  /** Throws kind `conflict` with docker's text. `except`: a container that does not count. */
  assertNone(name: string, o: { verb: string; except?: string }): void {
    const claims = (this.#claims.get(name) ?? []).map(({ who }) => who)
    const users = [...this.#usedBy(name), ...claims].filter((user) => user !== o.except)
    if (users.length > 0)
      throw new EngineError('conflict', `${o.verb} ${name}: volume is in use - [${users.join(', ')}]`)
  }
}
