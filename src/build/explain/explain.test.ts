import assert from 'node:assert/strict'
import { test } from 'node:test'
import { align } from './align.ts'
import { fileChanges } from './files.ts'
import { around, inputChanges } from './inputs.ts'

const manifest = (from: string, ...entries: string[][]) =>
  [JSON.stringify({ from }), ...entries.map((entry) => JSON.stringify(entry))].join('\n')

test('files that changed are named with what changed of them', () => {
  const before = manifest(
    'src',
    ['.', 'd', '755', '-', ''],
    ['app.ts', 'f', '644', '-', 'sha256:1'],
    ['lib', 'd', '755', '-', ''],
    ['lib/gone.ts', 'f', '644', '-', 'sha256:2'],
    ['link', 'l', '777', '-', 'a'],
    ['x.sh', 'f', '644', '-', 'sha256:3'],
    ['y', 'f', '644', '-', 'sha256:3'],
  )
  const after = manifest(
    'src',
    ['.', 'd', '700', '-', ''],
    ['app.ts', 'f', '644', '-', 'sha256:9'],
    ['lib', 'd', '755', '-', ''],
    ['lib/new.ts', 'f', '644', '-', 'sha256:2'],
    ['link', 'l', '777', '-', 'b'],
    ['x.sh', 'f', '755', '-', 'sha256:3'],
    ['y', 'd', '755', '-', ''],
  )
  assert.deepEqual(fileChanges(before, after), [
    'src (mode 755→700)',
    'src/app.ts (content)',
    'src/link (target a→b)',
    'src/x.sh (mode 644→755)',
    'src/y (file→directory)',
    'src/lib/new.ts (added)',
    'src/lib/gone.ts (removed)',
  ])
  const linked = (...link: string[]) => manifest('.', ['a', 'f', '644', '-', 'x', ...link])
  assert.deepEqual(fileChanges(linked(), linked('a')), ['a (hard links)'])
  const file = (content: string) => manifest('etc/app.conf', ['app.conf', 'f', '644', '0:0', content])
  assert.deepEqual(fileChanges(file('1'), file('2')), ['etc/app.conf (content)'])
  const all = (content: string) => manifest('.', ['.', 'd', '755', '-', ''], ['a', 'f', '644', '-', content])
  assert.deepEqual(fileChanges(all('1'), all('2')), ['a (content)'])
})

test('variables, commands and options are told apart; what looks secret is not shown', () => {
  const run = (env: string[], command: string, more: object = {}) => ({
    op: 'run',
    base: [],
    args: ['/bin/sh', '-c', command],
    env,
    cwd: '/',
    user: '',
    network: 'bridge',
    ...more,
  })
  const args = new Set(['VERSION', 'NPM_TOKEN'])
  const changes = (a: object, b: object) => inputChanges(a as never, b as never, args)
  assert.deepEqual(changes(run(['VERSION=1', 'A=x'], 'make'), run(['VERSION=2', 'B=y'], 'make')), [
    'ARG VERSION: "1"→"2"',
    'ENV A: removed',
    'ENV B: added "y"',
  ])
  assert.deepEqual(changes(run(['NPM_TOKEN=geheim1'], 'make'), run(['NPM_TOKEN=geheim2'], 'make')), [
    'ARG NPM_TOKEN (value hidden)',
  ])
  assert.deepEqual(changes(run([], 'curl https://me:geheim@x/1'), run([], 'curl https://me:geheim@x/2')), [
    'command (hidden: it looks as if it had a secret in it)',
  ])
  assert.deepEqual(changes(run([], 'make all'), run([], 'make test', { user: 'app', cwd: '/src' })), [
    'command: "make all" → "make test"',
    'WORKDIR: / → /src',
    'USER: none → app',
  ])
  const mount = (more: object) => ({ mounts: [{ type: 'cache', target: '/c', ...more }] })
  assert.deepEqual(
    changes(
      run([], 'x', mount({ id: '1' })),
      run([], 'x', { mounts: [...mount({ id: '2' }).mounts, { target: '/d' }] }),
    ),
    ['mount /c: other options', 'mount /d: added'],
  )
  const copy = (more: object) => ({ op: 'copy', target: '/a', mode: null, ...more })
  assert.deepEqual(changes(copy({}), copy({ mode: 0o755, target: '/b' })), [
    'destination: /a → /b',
    '--chmod: none → 755',
  ])
})

test('long texts are shown around the part that differs', () => {
  const long = (word: string) => `apt-get update && apt-get install -y build-essential ${word} git curl wget`
  assert.equal(
    around(long('make'), long('cmake')),
    '"…d-essential make git curl wget" → "…d-essential cmake git curl wget"',
  )
})

test('steps are found again when others come, go or change between them', () => {
  const steps = (...texts: string[]) =>
    texts.map((text) => ({ stage: 's', kind: text.split(' ', 1)[0] ?? '', text }))
  const found = (before: string[], after: string[]) =>
    Object.fromEntries(
      [...align(steps(...before), steps(...after))].map(([now, old]) => [now.text, old.text]),
    )
  assert.deepEqual(found(['FROM a', 'COPY x', 'RUN make'], ['FROM a', 'RUN apt', 'COPY x', 'RUN make']), {
    'FROM a': 'FROM a',
    'COPY x': 'COPY x',
    'RUN make': 'RUN make',
  })
  assert.deepEqual(found(['FROM a', 'COPY x', 'RUN make'], ['FROM b', 'COPY x y', 'RUN make -j']), {
    'FROM b': 'FROM a',
    'COPY x y': 'COPY x',
    'RUN make -j': 'RUN make',
  })
})
