import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contextKind, parseGitSource, remoteKind, shownUrl } from './git-url.ts'

test('what is fetched, and how, goes by the form of the text', () => {
  const kinds: Record<string, ReturnType<typeof remoteKind>> = {
    'https://h/a.tar.gz': 'http',
    'http://h/repo.git': 'git',
    'HTTPS://h/repo.git#v1:sub': 'git',
    'https://h/repo.git?tag=v1': 'git',
    'https://h/x?file=repo.git': 'http',
    'git://h/repo': 'git',
    'ssh://git@h:22/repo': 'git',
    'git@github.com:user/repo': 'git',
    'git@github.com:user/repo.git#main': 'git',
    'ftp://h/x': undefined,
    'file:///etc/repo.git': undefined,
    'ext::sh -c x': undefined,
    'dir/repo.git': undefined,
    'a:b': undefined,
    'user@host/x:y': undefined,
    'github.com/user/repo': undefined,
  }
  for (const [text, kind] of Object.entries(kinds)) assert.equal(remoteKind(text), kind, text)
  assert.equal(contextKind('github.com/user/repo'), 'git')
})

test('refs and subdirectories, as fragment and as query', () => {
  const parse = (text: string) => {
    const { remote, protocol, submodules: _, ...rest } = parseGitSource(text)
    return [protocol, remote, ...Object.values(rest)]
  }
  assert.deepEqual(parse('https://h/r.git'), ['https', 'https://h/r.git', '', '.'])
  assert.deepEqual(parse('https://h/r.git#v1:a/../b'), ['https', 'https://h/r.git', 'v1', 'b'])
  assert.deepEqual(parse('https://h/r.git#:sub'), ['https', 'https://h/r.git', '', 'sub'])
  assert.deepEqual(parse('https://h/r.git#main:../../etc'), ['https', 'https://h/r.git', 'main', 'etc'])
  assert.deepEqual(parse('git@h.org:u/r.git#x/y'), ['ssh', 'git@h.org:u/r.git', 'x/y', '.'])
  assert.deepEqual(parse('github.com/u/r'), ['https', 'https://github.com/u/r', '', '.'])
  assert.deepEqual(parse('https://h/r.git?branch=b&subdir=s'), [
    'https',
    'https://h/r.git',
    'refs/heads/b',
    's',
  ])
  assert.deepEqual(parse('https://h/r.git?tag=v&commit=ABCDEF1&keep-git-dir=1'), [
    'https',
    'https://h/r.git',
    'refs/tags/v',
    '.',
    'abcdef1',
    true,
  ])
  assert.equal(parseGitSource('https://h/r.git?submodules=false').submodules, false)
})

test('what could be an option, a pattern or another protocol is refused', () => {
  for (const text of [
    'https://h/r.git#--upload-pack=x',
    'https://h/r.git#a..b',
    'https://h/r.git#refs/heads/*',
    'https://h/r.git#a b',
    'ssh://-oProxyCommand=x/r.git',
    'ssh://git@-oProxyCommand=x/r.git',
    'file:///r.git',
    'ext::sh -c touch% /x',
    'https://h/r.git#%ff',
    'https://h/r.git?tag=a&branch=b',
    'https://h/r.git?tag=a#b',
    'https://h/r.git?checksum=main',
    'https://h/r.git?nope=1',
  ])
    assert.throws(() => parseGitSource(text), { kind: 'invalid' }, text)
})

test('passwords and queries are not shown', () => {
  assert.equal(shownUrl('https://u:secret@h/r.git#x'), 'https://u:xxxxx@h/r.git#x')
  assert.equal(shownUrl('https://ghp_token@h/r.git'), 'https://xxxxx@h/r.git')
  assert.equal(shownUrl('https://h/f?token=secret'), 'https://h/f?xxxxx')
  assert.equal(shownUrl('https://h/r.git?tag=v1'), 'https://h/r.git?tag=v1')
  assert.equal(shownUrl('git@h:r.git'), 'git@h:r.git')
})
