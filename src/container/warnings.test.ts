import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostPlatform, type Image } from '../image/index.ts'
import { createWarnings, limitWarnings } from './warnings.ts'

const imageFor = (architecture: string) => ({ config: { os: 'linux', architecture } }) as Image
const own = imageFor(hostPlatform().architecture)

test('createWarnings() are docker’s', () => {
  const warn = (hostConfig: object, image = own, platform?: string) =>
    createWarnings(image, { hostConfig, platform, facts: { swapLimit: true, cgroup: 'hybrid' } })
  assert.deepEqual(warn({ Memory: 1 << 30 }), [])
  assert.match(
    warn({ OomKillDisable: true })[0] ?? '',
    /^OOM killer is disabled for the container, but no memory limit/,
  )
  assert.deepEqual(warn({ OomKillDisable: true, Memory: 1 << 30 }), [])
  assert.deepEqual(warn({ NetworkMode: 'host', PortBindings: { '80/tcp': [] } }), [
    'Published ports are discarded when using host network mode',
  ])
  assert.match(
    warn({}, imageFor('s390x'))[0] ?? '',
    /^The requested image's platform \(linux\/s390x\) does not match the detected host platform \(linux\/\w+\) and no specific/,
  )
  assert.deepEqual(warn({}, imageFor('s390x'), 'linux/s390x'), [])
})

test('limitWarnings() tell what the kernel cannot limit', () => {
  const v1 = { swapLimit: false, cgroup: 'v1' } as const
  assert.match(limitWarnings({ Memory: 9 }, v1)[0] ?? '', /Memory limited without swap/)
  assert.deepEqual(limitWarnings({ Memory: 9, MemorySwap: -1 }, v1), [])
  const v2 = { swapLimit: true, cgroup: 'v2' } as const
  assert.match(limitWarnings({ MemorySwappiness: 10 }, v2)[0] ?? '', /Memory swappiness discarded/)
  assert.deepEqual(limitWarnings({ MemorySwappiness: -1 }, v2), [])
  assert.deepEqual(limitWarnings({ OomKillDisable: true }, v2), [
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
  ])
})
