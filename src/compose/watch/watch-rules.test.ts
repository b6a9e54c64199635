import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadProject } from '../load-project.ts'
import { watchRules, workFor } from './watch-rules.ts'

const folder = mkdtempSync(join(tmpdir(), 'gantry-watch-'))
after(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, '.dockerignore'), 'node_modules\n')

function rulesOf(watch: string, more = ''): { rules: ReturnType<typeof watchRules>; warnings: string[] } {
  const text = `services:\n  web:\n    image: i\n    build: .\n${more}    develop:\n      watch:\n${watch}`
  const warnings: string[] = []
  const project = loadProject(
    {
      files: [{ path: join(folder, 'compose.yaml'), text }],
      folder,
      environment: new Map(),
      sources: new Map(),
      name: 'p',
      profiles: [],
    },
    {
      interpolation: true,
      normalization: true,
      pathResolution: true,
      consistency: true,
      envResolution: false,
      warn: () => {},
    },
  )
  return { rules: watchRules(project, { warn: (each) => warnings.push(each) }), warnings }
}

const paths = (...names: string[]) => names.map((name) => join(folder, name))

test('changed files go to their places in the container, without what is ignored', () => {
  const { rules } = rulesOf(
    '      - {action: sync, path: src, target: /app, ignore: [tmp/]}\n      - {action: sync, path: one.conf, target: /etc/one.conf}\n',
  )
  const changed = paths(
    'src/a.js',
    'src/lib/b.js',
    'src/tmp/c',
    'src/node_modules/x',
    'other/d',
    'one.conf',
    'src/.git/HEAD',
    'src/.a.js.swp',
  )
  const { sync, rebuild, restart, exec } = workFor(rules, changed)
  assert.deepEqual(
    sync.get('web')?.map(({ container }) => container),
    ['/app/a.js', '/app/lib/b.js', '/app/node_modules/x', '/etc/one.conf'],
  )
  assert.deepEqual([rebuild.size, restart.size, exec.length], [0, 0, 0])
})

test("the context's .dockerignore counts from the context", () => {
  const { rules } = rulesOf('      - {action: sync, path: ., target: /app}\n')
  const { sync } = workFor(rules, paths('node_modules/x', 'a'))
  assert.deepEqual(
    sync.get('web')?.map(({ container }) => container),
    ['/app/a'],
  )
})

test('a service that is rebuilt is not synced or restarted besides', () => {
  const { rules } = rulesOf(
    '      - {action: rebuild, path: package.json}\n      - {action: sync+restart, path: src, target: /app}\n',
  )
  const both = workFor(rules, paths('package.json', 'src/a'))
  assert.deepEqual([...both.rebuild], ['web'])
  assert.equal(both.sync.size + both.restart.size, 0)
  const one = workFor(rules, paths('src/a'))
  assert.deepEqual([one.rebuild.size, [...one.restart], one.sync.size], [0, ['web'], 1])
})

test('include leaves out what it does not name; a command runs once', () => {
  const { rules } = rulesOf(
    '      - {action: sync+exec, path: src, target: /app, include: ["**/*.js"], exec: {command: [reload]}}\n',
  )
  const work = workFor(rules, paths('src/a.js', 'src/b/c.js', 'src/d.txt'))
  assert.deepEqual(
    work.sync.get('web')?.map(({ container }) => container),
    ['/app/a.js', '/app/b/c.js'],
  )
  assert.deepEqual(
    work.exec.map(({ hook }) => hook.command),
    [['reload']],
  )
})

test('what is mounted into the container is not synced, with a warning', () => {
  const { rules, warnings } = rulesOf(
    '      - {action: sync, path: ./src, target: /app}\n',
    '    volumes: [".:/app"]\n',
  )
  assert.equal(rules.length, 0)
  assert.match(warnings[0] ?? '', /also declared by a bind mount/)
})
