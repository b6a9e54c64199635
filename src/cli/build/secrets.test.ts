import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { readSecrets } from './secrets.ts'

test('readSecrets() reads files and variables as docker does', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gs-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'f')
  writeFileSync(file, 'in file')
  const env = { TOKEN: 'in env' }
  const read = (...flags: string[]) =>
    [...readSecrets(flags, env)].map(([id, value]) => [id, Buffer.from(value).toString()])
  assert.deepEqual(read(`id=a,src=${file}`, 'id=b,env=TOKEN', 'id=TOKEN', 'type=env,id=d,src=TOKEN'), [
    ['a', 'in file'],
    ['b', 'in env'],
    ['TOKEN', 'in env'],
    ['d', 'in env'],
  ])
  assert.deepEqual(read('id=a,env=UNSET'), [])
  writeFileSync(join(dir, 'large'), Buffer.alloc((500 << 10) + 1))
  const cases: Record<string, RegExp> = {
    'src=x': /^secret missing ID$/,
    'id=a,src=x,env=y': /exclude each other/,
    'id=a,foo=b': /^unexpected key 'foo' in 'foo=b'$/,
    'id=a,b': /^invalid field 'b' must be a key=value pair$/,
    'id=a,type=x': /^unsupported secret type "x"$/,
    [`id=a,src=${dir}/none`]: /^failed to stat .*none: no such file or directory$/,
    [`id=a,src=${dir}`]: /it is a directory$/,
    [`id=a,src=${dir}/large`]: /^invalid secret a. maximum size 512000B$/,
  }
  for (const [flag, message] of Object.entries(cases)) assert.throws(() => read(flag), { message })
})
