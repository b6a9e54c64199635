import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DurableDirectories } from './durable-directories.ts'

test('directories are made with those above them, again when they went', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-directories-'))
  t.after(() => rmSync(root, { recursive: true }))
  const directories = new DurableDirectories(root)
  const inner = join(root, 'a/b/c')
  await Promise.all([directories.make(inner), directories.make(join(root, 'a/b/d'))])
  assert(existsSync(inner))
  rmSync(join(root, 'a'), { recursive: true })
  directories.forget(inner)
  await directories.make(inner)
  assert(existsSync(inner))
})

test('a root that is gone is said, and not tried for ever', { timeout: 10_000 }, async () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-directories-'))
  const directories = new DurableDirectories(root)
  await directories.make(join(root, 'a'))
  rmSync(root, { recursive: true })
  await assert.rejects(directories.make(join(root, 'a/b')), {
    kind: 'unavailable',
    message: `the directory ${root} is gone`,
  })
})
