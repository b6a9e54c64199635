import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuildEvent } from '../../wire/build.ts'
import { ClassicProgress } from './classic-progress.ts'

const vertex = (id: string, change: object = {}): BuildEvent => ({
  type: 'vertex',
  id,
  name: id,
  cached: false,
  step: { stage: 's', index: 1, total: 1, startLine: 1, endLine: 1, text: `RUN ${id}` },
  ...change,
})

test('parallel steps are told one after the other, with the number of all', () => {
  const sent: unknown[] = []
  const progress = new ClassicProgress((message) => sent.push(message.stream ?? message.aux))
  const events: BuildEvent[] = [
    vertex('a'),
    vertex('b'),
    vertex('c'),
    vertex('a', { started: 1 }),
    vertex('b', { started: 1 }),
    { type: 'log', vertex: 'b', stream: 1, data: 'from b\n' },
    { type: 'log', vertex: 'a', stream: 1, data: 'from a\n' },
    vertex('b', { started: 1, completed: 2 }),
    vertex('c', { started: 2, completed: 2, cached: true }),
    vertex('a', { started: 1, completed: 3 }),
    { type: 'result', imageId: `sha256:${'ab'.repeat(32)}`, tags: ['app:latest'] },
  ]
  for (const event of events) progress.push(event)
  assert.deepEqual(sent, [
    'Step 1/3 : RUN a\n',
    'from a\n',
    'Step 2/3 : RUN b\n',
    'from b\n',
    'Step 3/3 : RUN c\n',
    ' ---> Using cache\n',
    { ID: `sha256:${'ab'.repeat(32)}` },
    'Successfully built abababababab\n',
    'Successfully tagged app:latest\n',
  ])
})
