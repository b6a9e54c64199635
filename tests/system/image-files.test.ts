import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { missing, system } from './harness.ts'

suite('a look into images', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  async function build(tag: string, dockerfile: string): Promise<void> {
    await s.ok('build', '-q', '-t', tag, s.folder({ Dockerfile: dockerfile }))
  }

  test('explain, diff, ls-files and cat, from the store and with lines of the Dockerfile', async () => {
    await build(
      'my/one:1',
      'FROM busybox\nRUN head -c 5000 /dev/zero > /big\nENV A=1\nRUN --network=none rm /big && echo hello > /greeting\n',
    )
    const text = await s.ok('image', 'explain', '--all', 'my/one:1')
    assert.match(text, /^my\/one:1: .* in 3 layers, \d+ files; 5kB \(.*%\) wasted\n/)
    assert.match(
      text,
      /\n2 +5kB +1 +0 +0 +5kB +Dockerfile:2 +RUN head -c 5000 \/dev\/zero > \/big\n +ENV A=1\n3 +6B +1 +0 +1 +0B +Dockerfile:4 +RUN rm /,
    )
    assert.match(text, /\nWasted: what no container sees\n {2}5kB +layer 2, deleted by 3 +\/big$/)
    const { Steps } = JSON.parse(await s.ok('image', 'explain', '--format', 'json', 'my/one:1')) as {
      Steps: { Layer?: number; Dockerfile?: { Line: number } }[]
    }
    assert.deepEqual(
      Steps.slice(-1).map(({ Layer, Dockerfile }) => [Layer, Dockerfile?.Line]),
      [[3, 4]],
    )

    await build(
      'two',
      'FROM my/one:1\nENV A=2\nRUN mkdir -p /d/e && echo x > /d/e/f && chmod 600 /greeting && ln -s ../../greeting /d/link\n',
    )
    const diff = await s.run(['image', 'diff', '--exit-code', 'my/one:1', 'two'])
    assert.equal(diff.code, 1)
    assert.match(
      diff.stdout,
      /^--- my\/one:1 .*\n\+\+\+ two .*\n\nConfiguration\n {2}C +Env A +"1" → "2"\n\nFiles: 2 added \(2B\), 0 removed \(0B\), 1 changed\n {2}A +\/d\/ {2}2 files, 2B\n {2}C +6B +\/greeting {2}mode 644→600\n$/,
    )
    assert.match(await s.ok('image', 'diff', 'two', 'two'), /the same files and the same configuration/)

    assert.equal(await s.ok('image', 'ls-files', 'two', '/d'), '/d\n/d/e\n/d/e/f\n/d/link')
    assert.match(
      await s.ok('image', 'ls-files', '-l', '--depth', '1', 'two', '/d'),
      /\nlrwxrwxrwx +0:0 +- .* \/d\/link -> \.\.\/\.\.\/greeting$/,
    )
    assert.equal(await s.ok('image', 'cat', 'two', '/d/link'), 'hello')
    const missing = await s.run(['image', 'cat', 'two', '/nope'])
    assert.deepEqual(
      [missing.code, missing.stderr],
      [1, 'Error response from daemon: Could not find the file /nope in image two:latest\n'],
    )
  })
})
