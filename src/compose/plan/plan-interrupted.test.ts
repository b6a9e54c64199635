/** What an `up` left that was killed while it put one container in place of another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerSummary } from '../../wire/container.ts'
import { standbyLabel, tookOverLabel } from '../../wire/container.ts'
import { label } from '../labels.ts'
import type { Observed, ObservedContainer } from '../observe.ts'
import { converged, load, steps } from './testing.ts'

const web = { image: 'web', environment: { LOG: 'info' } }
const project = load({ web })
const [now] = converged(project).containers
assert.ok(now)
const old: ObservedContainer = { ...now, id: '0123456789abcdef', configHash: 'of before' }

/** The new container, under the name that it has meanwhile. */
function made(labels: Record<string, string>): ObservedContainer {
  assert.ok(now)
  const Labels = { ...now.summary.Labels, [label.replace]: 'p-web-1', ...labels }
  // The plan reads no more of it.
  const summary = { ...now.summary, Labels } as unknown as ContainerSummary
  return { ...now, id: 'fedcba9876543210', name: '0123456789ab_p-web-1', summary }
}
const observed = (...containers: ObservedContainer[]): Observed => ({ ...converged(project), containers })

test('it goes while the one is there that it was to replace', () => {
  for (const labels of [{}, { [standbyLabel]: old.id }])
    assert.deepEqual(steps(project, observed(old, made(labels))), [
      '0123456789ab_p-web-1 discard: an up was interrupted',
      'p-web-1 recreate: its configuration changed',
    ])
})

test('it stays and gets its name when that one is gone, or has nothing left to serve', () => {
  assert.deepEqual(steps(project, observed(made({}))), [
    'p-web-1 rename: an up was interrupted',
    'p-web-1 keep: unchanged',
  ])
  assert.deepEqual(steps(project, observed(old, made({ [tookOverLabel]: old.id }))), [
    'p-web-1 remove: another one has taken over from it',
    'p-web-1 rename: an up was interrupted',
    'p-web-1 keep: unchanged',
  ])
})
