import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeConfig, encodeHostConfig } from './encode-config.ts'

test('encodeHostConfig() shows what was left open as what it came to', () => {
  const shown = encodeHostConfig({ IpcMode: '', MemorySwappiness: -1, PidsLimit: 0, Memory: 7, Binds: null })
  assert.equal(shown.IpcMode, 'private')
  assert.equal(shown.CgroupnsMode, 'private')
  assert.deepEqual(
    [shown.MemorySwappiness, shown.PidsLimit, shown.Memory, shown.Binds],
    [null, null, 7, null],
  )
  assert.ok(shown.MaskedPaths?.includes('/proc/kcore'))
  assert.equal(encodeHostConfig({ Privileged: true }).MaskedPaths, null)
  assert.deepEqual(encodeHostConfig({ ReadonlyPaths: [] }).ReadonlyPaths, [])
})

test('encodeHostConfig() writes what was not asked for as docker does', () => {
  const shown = encodeHostConfig({
    PortBindings: { '80/tcp': [{}] },
    RestartPolicy: { Name: '' },
    Init: false,
  })
  assert.deepEqual(shown.PortBindings, { '80/tcp': [{ HostIp: '', HostPort: '' }] })
  assert.deepEqual(shown.RestartPolicy, { Name: 'no', MaximumRetryCount: 0 })
  assert.equal('Init' in shown, false)
  assert.deepEqual([shown.Dns, shown.Ulimits, shown.Devices, shown.OomKillDisable], [null, null, null, false])
  assert.deepEqual(encodeHostConfig({ Dns: [] }).Dns, [])
  assert.equal(encodeHostConfig({}).PortBindings, null)
  assert.deepEqual(encodeHostConfig({ Privileged: true }).SecurityOpt, ['label=disable'])
})

test('encodeConfig() writes sets that are empty as docker does', () => {
  const none = encodeConfig({ Image: 'i', Env: [], Volumes: {}, ExposedPorts: {} })
  assert.deepEqual([none.Env, none.Volumes, none.OnBuild, none.Labels], [null, null, null, {}])
  assert.equal('ExposedPorts' in none, false)
  const some = encodeConfig({
    Image: 'i',
    Env: ['A=1'],
    Volumes: { '/v': {} },
    ExposedPorts: { '80/tcp': {} },
  })
  assert.deepEqual([some.Env, some.Volumes, some.ExposedPorts], [['A=1'], { '/v': {} }, { '80/tcp': {} }])
})
