import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'

const shown = 10

/** A reporter for node:test, beside another one: the files that took longest, where there are many. */
export default async function* slowestFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files: { readonly file: string; readonly ms: number }[] = []
  for await (const { type, data } of events)
    if (type === 'test:summary' && data.file !== undefined)
      files.push({ file: relative(process.cwd(), data.file), ms: data.duration_ms })
  if (files.length <= shown) return
  yield 'slowest files:\n'
  for (const { file, ms } of files.toSorted((a, b) => b.ms - a.ms).slice(0, shown))
    yield `${(ms / 1000).toFixed(1).padStart(7)} s  ${file}\n`
}
