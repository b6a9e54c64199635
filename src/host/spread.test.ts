import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { spreadBelow } from './spread.ts'

test('the hint is given, or is not known here; twice is the same as once', () => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-spread-'))
  try {
    assert.equal(spreadBelow(dir), spreadBelow(dir))
    assert.equal(spreadBelow('/proc'), false)
    // A tmpfs has flags, but not this one.
    assert.equal(spreadBelow('/dev/shm'), false)
    assert.throws(() => spreadBelow(join(dir, 'none')), { code: 'ENOENT' })
  } finally {
    rmSync(dir, { recursive: true })
  }
})
