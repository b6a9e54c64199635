import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RootDir } from '../host/root-dir.ts'
import { evaluateLinks } from './links-in-root.ts'

test('evaluateLinks() follows symlinks within the root, and keeps what is not there', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-links-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const links = { etc: 'usr/etc', out: '../../..', abs: '/usr/lib', broken: '/no/where', self: 'self' }
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(folder, name))
  using root = RootDir.open(folder)
  assert.equal(evaluateLinks(root, '/etc/passwd'), '/usr/etc/passwd')
  assert.equal(evaluateLinks(root, '/out/x'), '/x')
  assert.equal(evaluateLinks(root, '/abs/../y'), '/usr/y')
  assert.equal(evaluateLinks(root, '/broken'), '/no/where')
  assert.equal(evaluateLinks(root, '/'), '/')
  assert.throws(() => evaluateLinks(root, '/self'), /too many levels of symbolic links in \/self/)
})
