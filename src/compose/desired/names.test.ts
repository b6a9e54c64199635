import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imageOf } from '../image-name.ts'
import { loadProject } from '../load-project.ts'
import { containerName } from './names.ts'

const options = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: false,
  warn: () => {},
}

test('names have docker compose’s separator, or that of docker-compose v1', () => {
  const load = (compatibility: boolean) =>
    loadProject(
      {
        folder: '/p',
        environment: new Map(),
        sources: new Map(),
        name: 'p',
        profiles: [],
        compatibility,
        files: [{ path: '/p/c.yaml', text: 'services: {web: {build: .}}' }],
      },
      options,
    )
  for (const [compatibility, container, image] of [
    [false, 'p-web-1', 'p-web'],
    [true, 'p_web_1', 'p_web'],
  ] as const) {
    const project = load(compatibility)
    const service = project.services.get('web')
    assert.ok(service)
    assert.equal(containerName(project, { name: 'web', service, number: 1 }), container)
    assert.equal(imageOf(project, 'web', service), image)
  }
})
