import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostPlatform, type Image } from '../image/index.ts'
import { createWarnings } from './warnings.ts'

const imageFor = (architecture: string) => ({ config: { os: 'linux', architecture } }) as Image
const own = imageFor(hostPlatform().architecture)

test('createWarnings() are docker’s', () => {
  const warn = (hostConfig: object, image = own, platform?: string) =>
    createWarnings(image, { hostConfig, platform, swapLimit: true })
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
  assert.match(
    createWarnings(own, { hostConfig: { Memory: 9 }, platform: '', swapLimit: false })[0] ?? '',
    /swap limit/,
  )
})
