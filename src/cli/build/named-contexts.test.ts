import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readNamedContexts } from './named-contexts.ts'

test('--build-context: what a value means', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gnamed-'))
  t.after(() => rmSync(dir, { recursive: true }))
  mkdirSync(join(dir, 'a:b'))
  writeFileSync(join(dir, 'file'), '')
  const digest = `sha256:${'0'.repeat(64)}`
  const read = (value: string) => {
    const { dev: _dev, ino: _ino, ...rest } = { dev: '', ino: '', ...readNamedContexts([`n=${value}`])['n'] }
    return rest
  }
  assert.deepEqual(read(dir), { kind: 'directory', path: dir })
  assert.deepEqual(read('docker-image://alpine:3'), { kind: 'image', reference: 'alpine:3' })
  assert.deepEqual(read(`oci-layout://${dir}:t@${digest}`), {
    kind: 'oci-layout',
    path: dir,
    tag: 't',
    digest,
  })
  assert.deepEqual(read(`oci-layout://${dir}/a:b`), { kind: 'oci-layout', path: join(dir, 'a:b') })
  for (const url of ['https://h/r.git#x', 'git@h:r', 'github.com/u/r', 'ssh://h/r'])
    assert.deepEqual(read(url), { kind: 'remote', url })
  const refused = (flag: string, message: RegExp) =>
    assert.throws(() => readNamedContexts([flag]), { message })
  refused('x', /^invalid context value: x, expected key=value$/)
  refused('a b=.', /invalid context name a b/)
  refused(`x=${dir}/no`, /failed to get build context path \{x .*no such file or directory/)
  refused(`x=${dir}/file`, /is not a directory/)
})
