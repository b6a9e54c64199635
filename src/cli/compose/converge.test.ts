import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadProject } from '../../compose/index.ts'
import { withScales } from './converge.ts'

const project = loadProject(
  {
    files: [
      {
        path: '/p/compose.yaml',
        text: `
services:
  web: { image: web, deploy: { replicas: 2 } }
  db: { image: db, container_name: the-db }
`,
      },
    ],
    folder: '/p',
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
    warn: () => undefined,
  },
)

test('withScales() goes over what the files say', () => {
  const { services } = withScales(project, new Map([['web', 5]]))
  assert.deepEqual([services.get('web')?.scale, services.get('web')?.deploy?.replicas], [5, 5])
  assert.equal(services.get('db')?.scale, undefined)
})

test('withScales() refuses what cannot be, before anything is made', () => {
  assert.throws(() => withScales(project, new Map([['nobody', 1]])), /^Error: no such service: nobody$/)
  assert.throws(() => withScales(project, new Map([['db', 2]])), /using the custom container name "the-db"/)
  assert.equal(withScales(project, new Map([['db', 0]])).services.get('db')?.scale, 0)
})
