import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContainerIndex } from './container-index.ts'
import type { Container } from './container.ts'

const of = (id: string, name: string, createdAt = '2026-01-01') =>
  ({ id, name, createdAt }) as unknown as Container // the index looks at nothing else

test('find() takes ids, names, and prefixes that only one id has', () => {
  const index = new ContainerIndex()
  const [a, b] = [of('abc1', 'one'), of('abd2', 'two', '2026-02-01')]
  index.add(a)
  index.add(b)
  for (const ref of ['abc1', 'abc', 'one', '/one']) assert.equal(index.find(ref), a)
  assert.throws(() => index.find('ab'), { kind: 'invalid', message: /^Multiple IDs/ })
  assert.throws(() => index.find('on'), { kind: 'not-found', message: 'No such container: on' })
  assert.deepEqual(index.list(), [b, a])
})

test('a name has one holder, from before its container is there', () => {
  const index = new ContainerIndex()
  const one = of('abc1', 'one')
  index.claim('one')
  assert.throws(() => index.claim('one'), { kind: 'conflict', message: /a container that is being created/ })
  index.add(one)
  index.release('one') // a creation that fails after its container was added leaves it its name
  assert.equal(index.find('one'), one)
  assert.throws(() => index.claim('one'), { kind: 'conflict', message: /in use by container "abc1"/ })
  index.claim('two')
  assert.throws(() => index.rename(one, 'two'), { kind: 'conflict' })
  index.release('two')
  index.rename(one, 'two')
  assert.equal(index.hasName('one'), false)
})
