import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placesOf } from './dockerd-name.ts'

test('placesOf() under the name dockerd are dockerd’s; under any other Gantry’s own', () => {
  assert.deepEqual(placesOf({ GANTRY_PROGRAM: 'dockerd' }), {
    program: 'dockerd',
    configFile: '/etc/docker/daemon.json',
    defaults: { hosts: ['unix:///var/run/docker.sock'], pidfile: '/var/run/docker.pid', group: 'docker' },
  })
  for (const name of ['gantryd', 'main.ts', undefined])
    assert.deepEqual(placesOf({ GANTRY_PROGRAM: name }), {
      program: 'gantryd',
      configFile: '/etc/gantry/daemon.json',
      defaults: {},
    })
})
