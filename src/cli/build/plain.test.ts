import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuildEvent } from '../../wire/build.ts'
import { PlainProgress } from './plain.ts'
import { FailureLog } from './progress.ts'
import { RawJsonProgress } from './raw-json.ts'

function render(...events: BuildEvent[]): string {
  let text = ''
  const progress = new PlainProgress((part) => (text += part), { replay: true })
  for (const event of events) progress.handle(event)
  progress.close()
  return text
}
const vertex = (id: string, more: object = {}): BuildEvent => ({
  type: 'vertex',
  id,
  name: `step ${id}`,
  cached: false,
  ...more,
})
const log = (id: string, time: number, data: string): BuildEvent => ({
  type: 'log',
  vertex: id,
  stream: 1,
  data,
  time,
})

test("plain progress reads as BuildKit's", () => {
  assert.equal(
    render(
      vertex('1'),
      vertex('1', { started: 1000 }),
      log('1', 1010, 'one\ntw'),
      log('1', 13_020, 'o\nrest'),
      { type: 'status', vertex: '1', text: 'slow', started: 1000, completed: 1200 },
      { type: 'status', vertex: '1', text: 'quick', started: 1000, completed: 1005 },
      vertex('1', { started: 1000, completed: 13_300 }),
      vertex('2', { cached: true, started: 5, completed: 5 }),
    ),
    '#1 step 1\n#1 0.010 one\n#1 12.02 two\n#1 slow 0.2s done\n#1 quick done\n#1 12.30 rest\n#1 DONE 12.3s\n\n#2 step 2\n#2 CACHED\n',
  )
})

test('the log stays with one of several steps until it is over or quiet', () => {
  assert.equal(
    render(
      vertex('1', { started: 0 }),
      vertex('2', { started: 0 }),
      log('1', 10, 'a\n'),
      log('2', 20, 'x\n'),
      log('1', 30, 'b\n'),
      log('2', 1500, 'y\n'),
      vertex('3', { started: 1600, completed: 1700, miss: ['src/app.ts (content)', 'ARG V: "1"→"2"'] }),
      vertex('2', { started: 0, completed: 1800, error: 'boom' }),
      vertex('1', { started: 0, completed: 1800, error: 'canceled' }),
    ),
    [
      '#1 step 1',
      '#1 0.010 a',
      '#1 0.030 b',
      '#1 ...',
      '',
      '#2 step 2',
      '#2 0.020 x',
      '#2 1.500 y',
      '#2 ...',
      '',
      '#3 step 3',
      '#3 MISS src/app.ts (content), ARG V: "1"→"2"',
      '#3 DONE 0.1s',
      '',
      '#2 step 2',
      '#2 ERROR: boom',
      '',
      '#1 step 1',
      '#1 CANCELED',
      '',
    ].join('\n'),
  )
})

test('rawjson has the shape of BuildKit’s status messages', () => {
  const lines: unknown[] = []
  const progress = new RawJsonProgress((text) => lines.push(JSON.parse(text)))
  const digest = `sha256:${'1'.repeat(64)}`
  progress.handle(vertex('1', { digest, inputs: ['sha256:0'], started: 0, miss: ['a (content)'] }))
  progress.handle(log('1', 1000, 'hé\n'))
  progress.handle({ type: 'status', vertex: '1', text: 'pulling', started: 0, completed: 500 })
  progress.handle({
    type: 'warning',
    message: 'mixed',
    rule: 'StageNameCasing',
    startLine: 3,
    url: 'https://x/',
  })
  progress.handle(vertex('1', { digest, started: 0, completed: 2000, cached: true }))
  progress.handle(vertex('2'))
  const at = (seconds: string) => `1970-01-01T00:00:0${seconds}Z`
  const known = { digest, name: 'step 1', started: at('0.000') }
  assert.deepEqual(lines.slice(0, 5), [
    { vertexes: [{ ...known, inputs: ['sha256:0'], miss: ['a (content)'] }] },
    { logs: [{ vertex: digest, stream: 1, data: 'aMOpCg==', timestamp: at('1.000') }] },
    {
      statuses: [
        {
          id: 'pulling',
          vertex: digest,
          current: 0,
          timestamp: at('0.500'),
          started: at('0.000'),
          completed: at('0.500'),
        },
      ],
    },
    {
      warnings: [
        {
          level: 1,
          short: Buffer.from('StageNameCasing: mixed (line 3)').toString('base64'),
          url: 'https://x/',
          range: [{ start: { line: 3 }, end: { line: 3 } }],
        },
      ],
    },
    { vertexes: [{ ...known, completed: at('2.000'), cached: true }] },
  ])
  assert.match(JSON.stringify(lines[5]), /"digest":"sha256:[0-9a-f]{64}","name":"step 2"/)
})

test('a failure repeats what the step wrote last', () => {
  const log = new FailureLog()
  log.handle({ type: 'log', vertex: '1', stream: 2, data: 'bad thing' })
  log.handle(vertex('1', { started: 0, error: 'exit code: 1' }))
  assert.equal(
    log.describe(
      { type: 'error', message: 'exit code: 1', kind: 'invalid', excerpt: 'D:1\n' },
      { repeat: true },
    ),
    '------\n > step 1:\nbad thing\n------\nD:1\nERROR: failed to build: failed to solve: exit code: 1\n',
  )
})
