import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DaemonError } from '../../client/index.ts'
import type { Project } from '../model/project-model.ts'
import { readYaml } from '../yaml/read-yaml.ts'
import { refusedAt } from './refused-at.ts'

function said(message: string): string {
  const text =
    'services:\n  web:\n    image: busybox\n    runtime: nope\n    sysctls: {kernel.panic: 1}\n    devices:\n      - {source: /dev/none, target: /dev/x}\n'
  const [document] = readYaml(text, 'c.yaml')
  assert.ok(document)
  const project = { tree: document.root } as unknown as Project // no more of it is read
  const error = refusedAt(project, 'web', new DaemonError(400, message))
  return error instanceof Error ? error.message : ''
}

test('the line whose value the engine names', () => {
  assert.equal(
    said('unknown or invalid runtime name: nope'),
    'c.yaml:4:14: services.web.runtime: unknown or invalid runtime name: nope',
  )
  assert.match(
    said("sysctl 'kernel.panic' is not whitelisted"),
    /^c\.yaml:5:15: services\.web\.sysctls\.kernel\.panic: /,
  )
  assert.match(
    said('adding custom device "/dev/none": no such file'),
    /^c\.yaml:7:18: services\.web\.devices\.0\.source: /,
  )
})

test('else that of the service, in one line', () => {
  assert.equal(said('nopes:\nno'), 'c.yaml:2:3: services.web: nopes: no')
})

test('what is no answer of the engine, or of no file, stays what it is', () => {
  const error = new Error('x')
  assert.equal(refusedAt(undefined, 'web', error), error)
})
