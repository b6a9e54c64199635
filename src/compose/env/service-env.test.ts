import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadProject } from '../load-project.ts'
import { shownLine } from '../node.ts'
import { findProject } from '../project-files.ts'
import { serviceEnv, type EnvSource } from './service-env.ts'

const options = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: false,
  warn: () => undefined,
}

/** Variables of the service `web`, as `value < beaten < …`, each with its place and the variables in it. */
function explained(
  files: Readonly<Record<string, string>>,
  o: { environment?: Record<string, string>; imageEnv?: string[]; use?: string[] } = {},
): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'compose-env-'))
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    const source = findProject(
      {
        files: o.use ?? [],
        envFiles: [],
        profiles: [],
        projectDirectory: '',
        projectName: 'p',
        compatibility: false,
      },
      { cwd: folder, environment: o.environment ?? {}, warn: options.warn },
    )
    const place = (at: EnvSource['at']) =>
      at.file === '' ? 'shell' : shownLine(at).replace(`${folder}/`, '')
    const shown = ({ kind, value, at, variables }: EnvSource) => {
      const used = variables.map((each) => ` ${each.name}=${each.value}@${place(each.at)}`)
      return `${value}@${kind === 'image' ? 'image' : place(at)}${used.join('')}`
    }
    const all = serviceEnv(loadProject(source, options), 'web', {
      imageEnv: o.imageEnv ?? [],
      warn: options.warn,
    })
    return Object.fromEntries(all.map(({ name, sources }) => [name, sources.map(shown).join(' < ')]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a variable names its line and everything that it beat, the strongest first', () => {
  const found = explained(
    {
      'compose.yaml':
        'services:\n  web:\n    image: x\n    env_file: [a.env, b.env]\n    environment:\n      A: four\n',
      'more.yaml': 'services:\n  web:\n    environment: [A=five]\n',
      'a.env': 'A=one\nA=two\nONLY=a\n',
      'b.env': '\nA=three\n',
    },
    { use: ['compose.yaml', 'more.yaml'], imageEnv: ['A=zero', 'PATH=/bin'] },
  )
  assert.deepEqual(found, {
    A: 'five@more.yaml:3 < four@compose.yaml:6 < three@b.env:2 < two@a.env:2 < one@a.env:1 < zero@image',
    ONLY: 'a@a.env:3',
    PATH: '/bin@image',
  })
})

test('what extends beats what it extends; !reset leaves nothing to beat', () => {
  const found = explained({
    'compose.yaml':
      'services:\n  web:\n    extends: {file: base.yaml, service: base}\n    environment: {A: 2}\n  other: {image: x}\n',
    'base.yaml': 'services:\n  base:\n    image: x\n    environment: {A: 1, B: 1}\n',
  })
  assert.deepEqual(found, { A: '2@compose.yaml:4 < 1@base.yaml:4', B: '1@base.yaml:4' })
  const reset = explained({
    'compose.yaml': 'services:\n  web:\n    image: x\n    environment: {A: 1, B: 1}\n',
    'compose.override.yaml': 'services:\n  web:\n    environment: !override {A: 2}\n',
  })
  assert.deepEqual(reset, { A: '2@compose.override.yaml:3' })
})

test('variables in a value say whether the shell or an env file set them', () => {
  const found = explained(
    {
      'compose.yaml':
        'services:\n  web:\n    image: x\n    environment:\n      URL: "${HOST}:${PORT:-80}"\n      TAKEN:\n      LIST: $$HOST\n      NONE:\n',
      '.env': 'HOST=file\nTAKEN=here\n',
    },
    { environment: { HOST: 'mine' } },
  )
  assert.deepEqual(found, {
    LIST: '$HOST@compose.yaml:7',
    NONE: 'null@compose.yaml:8',
    TAKEN: 'here@compose.yaml:6 TAKEN=here@.env:2',
    URL: 'mine:80@compose.yaml:5 HOST=mine@shell PORT=undefined@shell',
  })
})

test('a name without a value takes away what the image sets', () => {
  const compose = { 'compose.yaml': 'services:\n  web:\n    image: x\n    environment: [A]\n' }
  assert.deepEqual(explained(compose, { imageEnv: ['A=1'] }), { A: 'null@compose.yaml:4 < 1@image' })
})

test('values of an env file that use each other name their lines', () => {
  const found = explained({
    'compose.yaml':
      'services:\n  web:\n    image: x\n    env_file: [{path: a.env}, {path: raw.env, format: raw}]\n',
    'a.env': "A=1\nB=${A}2\nC='$A'\n",
    'raw.env': 'D=$A\n',
  })
  assert.deepEqual(found, { A: '1@a.env:1', B: '12@a.env:2 A=1@a.env:1', C: '$A@a.env:3', D: '$A@raw.env:1' })
})
