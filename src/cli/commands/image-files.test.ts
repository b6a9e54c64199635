import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modeText } from './image-files.ts'

test('modes are written as ls does', () => {
  assert.equal(modeText(0o755), 'rwxr-xr-x')
  assert.equal(modeText(0o4755), 'rwsr-xr-x')
  assert.equal(modeText(0o1777), 'rwxrwxrwt')
  assert.equal(modeText(0o2640), 'rw-r-S---')
})
