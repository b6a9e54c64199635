import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Project } from '../model/project-model.ts'
import { readYaml } from '../yaml/read-yaml.ts'
import { checkSupported } from './supported.ts'

function check(text: string): string[] {
  const [document] = readYaml(text, 'c.yaml')
  assert.ok(document)
  const warnings: string[] = []
  // The check reads no more of it.
  const project = { services: new Map([['a', {}]]), tree: document.root } as unknown as Project
  checkSupported(project, (warning) => warnings.push(warning))
  return warnings
}

test('what would make another service of it is refused with its place', () => {
  assert.throws(() => check('services:\n  a:\n    provider: {type: x}\n'), {
    message: /^c\.yaml:3:5: services\.a\.provider: services of providers are not supported/,
  })
  assert.throws(() => check('services:\n  a:\n    use_api_socket: true\n'), { kind: 'invalid' })
  assert.deepEqual(check('services:\n  a:\n    use_api_socket: false\n'), [])
})

test('what only Swarm does is told', () => {
  const deploy = 'deploy: {mode: global, placement: {constraints: [x]}, resources: {limits: {cpus: 1}}}'
  assert.deepEqual(check(`services:\n  a:\n    ${deploy}\n`), [
    'c.yaml:3:20: services.a.deploy.mode is for Swarm: it has no effect here',
    'c.yaml:3:39: services.a.deploy.placement is for Swarm: it has no effect here',
  ])
  assert.deepEqual(check('services:\n  a:\n    deploy: {mode: replicated, replicas: 2}\n'), [])
})
