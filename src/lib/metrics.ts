/** Figures of a running server in Prometheus' text format (version 0.0.4). */

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly value: number
  readonly labels?: Labels
  /** After the metric's name: `_bucket`, `_sum`. */
  readonly suffix?: string
}

interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: () => Iterable<Sample>
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

/** All figures of one server. Names are those of the server, so that no two are the same. */
export class Metrics {
  readonly #families: Family[] = []

  /** Only ever grows. */
  counter(name: string, help: string): Counter {
    const counter = new Counter()
    this.#families.push({ name, type: 'counter', help, samples: () => counter.samples() })
    return counter
  }

  /** Looked up when it is asked for. */
  gauge(name: string, help: string, read: () => number | Iterable<Sample>): void {
    this.#families.push({ name, type: 'gauge', help, samples: () => samplesOf(read()) })
  }

  /** A counter that somebody else keeps. */
  counterOf(name: string, help: string, read: () => number | Iterable<Sample>): void {
    this.#families.push({ name, type: 'counter', help, samples: () => samplesOf(read()) })
  }

  /** `bounds`: upper ones, ascending. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const histogram = new Histogram(bounds)
    this.#families.push({ name, type: 'histogram', help, samples: () => histogram.samples() })
    return histogram
  }

  text(): string {
    const lines = this.#families.flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
      `# TYPE ${name} ${type}`,
      ...[...samples()].map(
        ({ value, labels, suffix = '' }) => `${name}${suffix}${labelText(labels)} ${value}`,
      ),
    ])
    return `${lines.join('\n')}\n`
  }
}

export class Counter {
  readonly #values = new Map<string, { labels: Labels; value: number }>()

  add(amount: number, labels: Labels = {}): void {
    const key = labelText(labels)
    const known = this.#values.get(key)
    if (known) known.value += amount
    else this.#values.set(key, { labels, value: amount })
  }

  samples(): Iterable<Sample> {
    return this.#values.size === 0 ? [{ value: 0 }] : this.#values.values()
  }
}

export class Histogram {
  readonly #bounds: readonly number[]
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number }>()

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
  }

  observe(value: number, labels: Labels = {}): void {
    const key = labelText(labels)
    let series = this.#series.get(key)
    if (!series) {
      series = { labels, counts: Array<number>(this.#bounds.length + 1).fill(0), sum: 0 }
      this.#series.set(key, series)
    }
    const found = this.#bounds.findIndex((bound) => value <= bound)
    const index = found < 0 ? this.#bounds.length : found
    series.counts[index] = (series.counts[index] ?? 0) + 1
    series.sum += value
  }

  *samples(): Iterable<Sample> {
    for (const { labels, counts, sum } of this.#series.values()) {
      let total = 0
      for (const [index, count] of counts.entries()) {
        total += count
        const le = String(this.#bounds[index] ?? '+Inf')
        yield { suffix: '_bucket', labels: { ...labels, le }, value: total }
      }
      yield { suffix: '_sum', labels, value: sum }
      yield { suffix: '_count', labels, value: total }
    }
  }
}

function samplesOf(value: number | Iterable<Sample>): Iterable<Sample> {
  return typeof value === 'number' ? [{ value }] : value
}

function labelText(labels: Labels = {}): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const text = value.replace(/[\\"\n]/g, (sign) => (sign === '\n' ? '\\n' : `\\${sign}`))
    return `${name}="${text}"`
  })
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}
