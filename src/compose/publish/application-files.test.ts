import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadProject } from '../load-project.ts'
import { applicationFiles } from './application-files.ts'
import { checkPublishable, publishQuestions } from './publish-checks.ts'

const options = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: false,
  warn: () => {},
}

/** A project of files that are gone at the end. */
function open(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'compose-publish-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const project = loadProject(
    {
      folder,
      environment: new Map([['WHICH', 'web']]),
      sources: new Map(),
      name: 'p',
      profiles: [],
      files: [{ path: join(folder, 'compose.yaml') }],
    },
    options,
  )
  const named = (path: string, ending: string) => `${hash('sha256', join(folder, path))}.${ending}`
  return { project, named, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

test('files beside it get names of their own; all else of the text stays', () => {
  using p = open({
    'compose.yaml': `# the web
x-common: &common
  env_file: "common.env" # for all
services:
  web: {<<: *common, image: web, extends: {file: base.yaml, service: base}}
  db:
    image: db
    env_file:
      - path: ./\${WHICH}.env
        required: false
`,
    'base.yaml': 'services:\n  base: {extends: {file: deeper.yaml, service: deep}}\n',
    'deeper.yaml': 'services:\n  deep: {labels: {a: b}}\n',
    'common.env': 'A=1\n',
    'web.env': 'B=2\n',
  })
  const files = applicationFiles(p.project, { withEnv: true })
  assert.deepEqual(
    files.map(({ kind, name }) => [kind, name]),
    [
      ['file', 'compose.yaml'],
      ['extended', p.named('base.yaml', 'yaml')],
      ['extended', p.named('deeper.yaml', 'yaml')],
      ['env', p.named('common.env', 'env')],
      ['env', p.named('web.env', 'env')],
    ],
  )
  assert.equal(
    files[0]?.content,
    `# the web
x-common: &common
  env_file: ${p.named('common.env', 'env')} # for all
services:
  web: {<<: *common, image: web, extends: {file: ${p.named('base.yaml', 'yaml')}, service: base}}
  db:
    image: db
    env_file:
      - path: ${p.named('web.env', 'env')}
        required: false
`,
  )
  assert.equal(applicationFiles(p.project, { withEnv: false }).length, 3)
})

test('what includes files here, or is only built here, is not published', () => {
  using included = open({
    'compose.yaml': 'include: [other.yaml]\nservices: {}\n',
    'other.yaml': 'services: {a: {image: a}}\n',
  })
  assert.throws(
    () => applicationFiles(included.project, { withEnv: false }),
    /compose.yaml:1:11: cannot publish compose file with local includes/,
  )
  using built = open({ 'compose.yaml': 'services: {a: {build: .}}\n' })
  assert.throws(
    () => checkPublishable(built.project, { withEnv: true }),
    /only contains a build section for service\(s\):\n- "a"/,
  )
  using env = open({ 'compose.yaml': 'services: {a: {image: a, environment: {A: b}}}\n' })
  assert.throws(
    () => checkPublishable(env.project, { withEnv: false }),
    /^EngineError: service "a" has environment variable\(s\) declared.\nTo avoid leaking sensitive data/,
  )
})

test('who publishes is asked about mounts, secrets and variables, and sees no secret', () => {
  using p = open({
    'compose.yaml':
      'services: {a: {image: a, volumes: ["/etc:/e:ro"], env_file: [a.env], environment: {LOG: debug, DB_PASSWORD: hunter2}}}\n',
    'a.env': 'LEVEL=1\nAPI_TOKEN=abcdef\n',
  })
  const questions = publishQuestions(p.project)
  assert.equal(questions.length, 3)
  assert.match(questions[0] ?? '', /^a {2}\/etc:\/e:ro$/m)
  assert.match(questions[1] ?? '', /^"services.a.environment.DB_PASSWORD": \*{8}$/m)
  assert.match(questions[1] ?? '', /^"[^"]*\/a.env:2": \*{8}$/m)
  assert.match(questions[2] ?? '', /^LOG=debug$/m)
  assert.doesNotMatch(questions.join('\n'), /hunter2|abcdef/)
})
