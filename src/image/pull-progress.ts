import type { ProgressMessage } from '../wire/image.ts'
import { formatProgress } from '../lib/progress-bar.ts'
import type { LayerNews } from './fetch-layer.ts'

/** Docker tells of a layer ten times a second at most. */
const intervalMs = 100

/** Docker's lines about one layer of a pull. */
export class LayerProgress {
  readonly #id: string
  readonly #report: (message: ProgressMessage) => void
  #status = ''
  #next = 0

  constructor(id: string, report: (message: ProgressMessage) => void) {
    this.#id = id
    this.#report = report
  }

  tell(news: LayerNews): void {
    switch (news.status) {
      case 'Downloading':
      case 'Extracting': {
        const now = performance.now()
        if (news.status === this.#status && now < this.#next) return
        this.#next = now + intervalMs
        const { current, total } = news
        this.#say(news.status, {
          progressDetail: { current, total },
          progress: formatProgress(current, total),
        })
        return
      }
      case 'Retrying':
        this.#say(`Retrying in ${news.seconds} second${news.seconds === 1 ? '' : 's'}`)
        return
      case 'Download complete':
        this.#say(news.status)
    }
  }

  done(): void {
    this.#say('Pull complete')
  }

  #say(status: string, more: Partial<ProgressMessage> = {}): void {
    this.#status = status
    this.#report({ status, id: this.#id, progressDetail: {}, ...more })
  }
}
