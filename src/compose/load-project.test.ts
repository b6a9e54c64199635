import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadProject } from './load-project.ts'
import { get, shownPlace, type Path } from './node.ts'
import type { LoadOptions } from './scope.ts'

const options: LoadOptions = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: true,
  warn: () => undefined,
}

test('every value keeps its place through variables, extends, merging, defaults and env files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compose-places-'))
  try {
    writeFileSync(join(folder, 'web.env'), '# first\nFROM_FILE=1\nB=lost\n')
    writeFileSync(join(folder, 'base.yaml'), 'services:\n  base:\n    image: x:$TAG\n    user: me\n')
    const text = [
      'services:',
      '  web:',
      '    extends: {file: base.yaml, service: base}',
      '    env_file: web.env',
      '    environment:',
      '      B: 2',
      '    ports: ["80:8080"]',
    ].join('\n')
    const over = 'services:\n  web:\n    environment: [C=3]\n'
    const project = loadProject(
      {
        files: [
          { path: join(folder, 'compose.yaml'), text },
          { path: join(folder, 'over.yaml'), text: over },
        ],
        folder,
        environment: new Map([['TAG', '1']]),
        sources: new Map(),
        name: 'p',
        profiles: [],
      },
      options,
    )
    const place = (...path: Path) => {
      const at = get(project.tree, 'services', 'web', ...path)?.at
      return at && shownPlace(at).replace(`${folder}/`, '')
    }
    assert.equal(place('image'), 'base.yaml:3:12')
    assert.equal(place('user'), 'base.yaml:4:11')
    assert.equal(place('environment', 'B'), 'compose.yaml:6:7')
    assert.equal(place('environment', 'C'), 'over.yaml:3:19')
    assert.equal(place('environment', 'FROM_FILE'), 'web.env:2:1')
    const ports = get(project.tree, 'services', 'web', 'ports')
    const port = ports?.kind === 'sequence' ? ports.items[0] : undefined
    assert.equal(port && shownPlace(port.at).replace(`${folder}/`, ''), 'compose.yaml:7:13')
    const { environment } = project.services.get('web') ?? {}
    assert.deepEqual(Object.fromEntries(environment ?? []), { B: '2', C: '3', FROM_FILE: '1' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('of nothing there are fewer than none', () => {
  const refused = (line: string) => {
    const text = `services:\n  a:\n    image: x\n    ${line}\n`
    const input = { folder: '/', environment: new Map(), sources: new Map(), name: 'p', profiles: [] }
    return () => loadProject({ ...input, files: [{ path: '/c.yaml', text }] }, options)
  }
  assert.throws(refused('scale: -1'), /c\.yaml:4:12: services\.a\.scale must be at least 0, not -1/)
  assert.throws(refused('scale: "-1"'), /services\.a\.scale must be at least 0, not -1/)
  assert.throws(
    refused('healthcheck: {test: x, retries: -1}'),
    /healthcheck\.retries must be at least 0, not -1/,
  )
  const where = 'services\\.a\\.deploy\\.'
  for (const [key, path] of [
    ['replicas: -1', 'replicas'],
    ['update_config: {parallelism: -1}', 'update_config\\.parallelism'],
    ['restart_policy: {max_attempts: -1}', 'restart_policy\\.max_attempts'],
    ['placement: {max_replicas_per_node: -1}', 'placement\\.max_replicas_per_node'],
  ])
    assert.throws(refused(`deploy: {${key}}`), new RegExp(`${where}${path} must be at least 0, not -1`))
})

test('what a file may grow to by its aliases is bounded', () => {
  const lines = Array.from({ length: 30 }, (_, level) =>
    level === 0 ? 'x-0: &a0 [a, a]' : `x-${level}: &a${level} [*a${level - 1}, *a${level - 1}]`,
  )
  const text = `${lines.join('\n')}\nservices: {a: {image: x}}\n`
  assert.throws(
    () =>
      loadProject(
        {
          files: [{ path: '/c.yaml', text }],
          folder: '/',
          environment: new Map(),
          sources: new Map(),
          name: 'p',
          profiles: [],
        },
        options,
      ),
    /c\.yaml:\d+:\d+: the document has more than 500000 values, aliases included/,
  )
})
