import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { missing, system } from './harness.ts'

suite('build --secret', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  test('files and variables reach the step that mounts them, in place and by tar, and no one else', async () => {
    const folder = join(s.daemon.home, 'context')
    mkdirSync(folder)
    const dockerfile =
      'FROM busybox\n' +
      'RUN --mount=type=secret,id=f,required --mount=type=secret,id=v,env=V,required ' +
      'wc -c < /run/secrets/f && echo "${#V} letters"\n'
    writeFileSync(join(folder, 'Dockerfile'), dockerfile)
    const file = join(s.daemon.home, 'key')
    writeFileSync(file, 'file-4711-secret')
    const flags = [
      '--no-cache',
      '--progress=plain',
      '--secret',
      `id=f,src=${file}`,
      '--secret',
      'id=v,src=HOME,type=env',
    ]
    const inPlace = await s.run(['build', ...flags, folder])
    assert.match(inPlace.stderr, / 16\n.* \d+ letters\n/)
    const tar = execFileSync('tar', ['-C', folder, '-c', '.'])
    const sent = await s.run(['build', ...flags, '-'], { input: tar })
    assert.match(sent.stderr, / 16\n.* \d+ letters\n/)
    const without = await s.run(['build', '--no-cache', '--progress=plain', folder])
    assert.equal(without.code, 1)
    assert.match(without.stderr, /ERROR: failed to build: failed to solve: secret f: not found\n$/)
    const wrong = await s.run(['build', '--secret', 'src=x', folder])
    assert.match(wrong.stderr, /secret missing ID/)
  })
})
