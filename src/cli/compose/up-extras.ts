import type { Project } from '../../compose/index.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Context } from '../command.ts'
import type { AttachedUp } from './attached-up.ts'
import { watchProject } from './watch-project.ts'

interface Options {
  readonly up: AttachedUp
  readonly project: Project
  readonly services: readonly string[]
  readonly watch: boolean
  /** Keys of the terminal: `w` and `d`. */
  readonly menu: boolean
}

/** What goes on beside the output of `up`: watching files, and the keys that one can press. */
export class UpExtras implements AsyncDisposable {
  readonly #context: Context
  readonly #o: Options
  #watching: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined

  constructor(context: Context, o: Options) {
    this.#context = context
    this.#o = o
    if (o.watch) this.#watch()
    if (!o.menu) return
    // Node's raw mode leaves output as it is: the lines of containers need that.
    process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onKey)
    process.stdin.resume()
    o.up.say('\x1b[2mKeys: w watches files or stops to, d detaches, Ctrl+C stops\x1b[0m')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#o.menu) {
      process.stdin.off('data', this.#onKey)
      process.stdin.setRawMode(false)
      process.stdin.pause()
    }
    await this.#stopWatching()
  }

  readonly #onKey = (data: Buffer): void => {
    for (const key of data.toString('latin1')) {
      if (key === '\x03') this.#o.up.interrupt()
      else if (key === 'd') this.#o.up.detach()
      else if (key === 'w' && this.#watching) {
        void this.#stopWatching()
        this.#o.up.say('Watch disabled')
      } else if (key === 'w') this.#watch()
    }
  }

  #watch(): void {
    const stop = new AbortController()
    const { up, project, services } = this.#o
    const ended = watchProject(this.#context, project, {
      services,
      log: (text) => up.say(`⦿ ${text}`),
      quiet: false,
      prune: true,
      signal: stop.signal,
    }).catch((error: unknown) => up.say(`watch: ${messageOf(error)}`))
    this.#watching = { stop, ended }
  }

  async #stopWatching(): Promise<void> {
    const watching = this.#watching
    this.#watching = undefined
    watching?.stop.abort()
    await watching?.ended
  }
}
