import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TtyProgress } from './tty-progress.ts'

test('layers stand below their image with what has come of them, shared ones below each', () => {
  let written = ''
  const progress = new TtyProgress({
    title: 'Pulling',
    write: (text) => (written += text),
    columns: () => 80,
    rows: () => 24,
    colour: false,
    now: () => 0,
    frameTime: 1 << 30,
  })
  const working = 'working'
  progress.report({ id: 'a', status: working, text: 'Pulling' })
  progress.report({ id: 'b', status: working, text: 'Pulling' })
  progress.report({ id: 'x1', parent: 'b', status: working, text: 'Waiting' })
  progress.report({ id: 'x1', parent: 'a', status: working, text: 'Downloading', current: 1000, total: 2500 })
  progress.report({ id: 'x2', parent: 'a', status: 'done', text: 'Pull complete', current: 5, total: 5 })
  progress.close()
  const lines = written.split('\n').map((line) => (line.split('\x1b[2K')[1] ?? '').trim())
  assert.deepEqual(
    lines.slice(1, 6).map((line) => line.replace(/^. +/u, '').replace(/ +0\.0s$/, '')),
    ['a  Pulling', 'x1  Downloading  1kB/2.5kB', 'x2  Pull complete', 'b  Pulling', 'x1  Waiting'],
  )
  assert.match(lines[0] ?? '', /\[\+\] Pulling 0\/2$/)
})

test('a question stands below the picture, and is not drawn over', async () => {
  let written = ''
  const progress = new TtyProgress({
    title: 'Running',
    write: (text) => (written += text),
    columns: () => 80,
    rows: () => 24,
    colour: false,
    now: () => 0,
    frameTime: 1 << 30,
  })
  progress.report({ id: 'Image a', status: 'done', text: 'Pulled' })
  await progress.aside(() => {
    written += 'Sure? [y/N] \n'
    return Promise.resolve()
  })
  progress.report({ id: 'Volume v', status: 'done', text: 'Created' })
  progress.close()
  const [before = '', after = ''] = written.split('Sure? [y/N] \n')
  assert.match(before, /Image a {2}Pulled/)
  assert.match(after, /Volume v {2}Created/)
  // The cursor goes up over none of what stands above.
  assert.doesNotMatch(after, /\[\d+A/)
})
