import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Image } from '../../image/index.ts'
import { olderInspect } from './encode-image.ts'

test('older clients find what docker left out since', () => {
  const image = { size: 7, config: { config: { Cmd: ['sh'] } } } as Image // nothing else is looked at
  const ContainerConfig = { Cmd: ['sh'] }
  assert.deepEqual(olderInspect(image, { minor: 43, agent: '' }), { VirtualSize: 7, ContainerConfig })
  assert.deepEqual(olderInspect(image, { minor: 44, agent: '' }), { ContainerConfig })
  assert.deepEqual(olderInspect(image, { minor: 45, agent: 'docker-compose/2.40' }), {})
  assert.deepEqual(olderInspect(image, { minor: 51, agent: 'docker-compose/1.29.2 docker-py/5.0.3' }), {
    ContainerConfig,
  })
})
