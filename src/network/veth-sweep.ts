import type { Logger } from '../lib/log.ts'
import type { Plumbing } from './plumbing.ts'

/** How long the kernel may take for the veths of a namespace that was given up, in milliseconds. */
const patience = 1000

/**
 * Veths whose namespaces were given up: the kernel removes them soon. A namespace that somebody still holds (a debugger, a copied
 * mount) keeps its own: then it is deleted here.
 */
export class VethSweep {
  readonly #leaving = new Set<string>()
  readonly #tools: {
    readonly plumbing: Plumbing
    readonly present: () => readonly string[]
    readonly log: Logger
  }
  #timer: NodeJS.Timeout | undefined

  /** `present`: those that there are. */
  constructor(tools: { plumbing: Plumbing; present: () => readonly string[]; log: Logger }) {
    this.#tools = tools
  }

  has(name: string): boolean {
    return this.#leaving.has(name)
  }

  add(name: string): void {
    this.#leaving.add(name)
    this.#schedule()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#timer || this.#leaving.size === 0) return
    const due = [...this.#leaving]
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const present = new Set(this.#tools.present())
      for (const name of due) {
        this.#leaving.delete(name)
        if (present.has(name))
          this.#tools.plumbing.deleteLink(name).catch((error: unknown) => {
            // Tried again by the next start.
            this.#tools.log.warn('a veth could not be deleted', { name, error })
          })
      }
      this.#schedule()
    }, patience).unref()
  }
}
