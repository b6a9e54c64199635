import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { HostFacts } from '../host-facts.ts'
import type { OciSpec } from '../oci-spec.ts'
import { withCdiDevices } from './apply.ts'
import { requestedDevices } from './requests.ts'

let root = ''
let directories: string[] = []
before(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-cdi-'))
  directories = ['a', 'b'].map((name) => join(root, name))
  for (const directory of directories) mkdirSync(directory)
  const put = (path: string, text: string) => writeFileSync(join(root, path), text)
  put(
    'a/vendor.yaml',
    `cdiVersion: 0.6.0
kind: vendor.com/device
containerEdits: { env: [SHARED=1], additionalGids: [44] }
devices:
  - name: one
    containerEdits:
      env: [ONE=yes, PATH=/opt]
      deviceNodes: [{ path: /dev/one, hostPath: /dev/null, permissions: rw }]
      mounts: [{ hostPath: /usr, containerPath: /vendor, options: [ro, bind] }]
      hooks: [{ hookName: createContainer, path: /bin/hook, args: [hook, x], timeout: 3 }]
  - { name: two, containerEdits: { deviceNodes: [{ path: /dev/two, type: c, major: 9, minor: 2 }] } }
`,
  )
  put(
    'a/gpu.json',
    JSON.stringify({
      cdiVersion: '0.5.0',
      kind: 'nvidia.com/gpu',
      devices: [{ name: '0' }, { name: 'all' }],
    }),
  )
  put(
    'b/over.json',
    JSON.stringify({
      cdiVersion: '0.5.0',
      kind: 'vendor.com/device',
      devices: [{ name: 'two', containerEdits: { env: ['TWO=b'] } }],
    }),
  )
  put('b/x.json', JSON.stringify({ cdiVersion: '0.5.0', kind: 'x.com/d', devices: [{ name: 'same' }] }))
  put('b/y.json', JSON.stringify({ cdiVersion: '0.5.0', kind: 'x.com/d', devices: [{ name: 'same' }] }))
  put('b/broken.yaml', 'kind: [')
})
after(() => rmSync(root, { recursive: true }))

const cdi = (...DeviceIDs: string[]) => [{ Driver: 'cdi', DeviceIDs }]
const gpus = (request: object) => [{ Capabilities: [['gpu']], ...request }]
const names = (requests: object[], where = directories) =>
  requestedDevices(requests, where).map((device) => device.name)

test('requestedDevices() finds devices by their qualified names; a later directory wins', () => {
  assert.deepEqual(names(cdi('vendor.com/device=one', 'vendor.com/device=two')), [
    'vendor.com/device=one',
    'vendor.com/device=two',
  ])
  const [two] = requestedDevices(cdi('vendor.com/device=two'), directories)
  assert.deepEqual(two?.own.env, ['TWO=b'])
  assert.deepEqual(requestedDevices(null, directories), [])
})

test('requestedDevices() names what is missing, ambiguous, and the files that are none', () => {
  assert.throws(() => names(cdi('vendor.com/device=three')), {
    kind: 'invalid',
    message: /unresolvable CDI devices vendor\.com\/device=three .*broken\.yaml/s,
  })
  assert.throws(() => names(cdi('x.com/d=same')), {
    message: /unresolvable CDI devices x\.com\/d=same .*another file/s,
  })
  assert.throws(() => names(cdi('a.b/c=d'), ['/nowhere']), { message: /looked in \/nowhere/ })
})

test('--gpus are the devices of nvidia.com/gpu where these are there', () => {
  assert.deepEqual(names(gpus({ Count: -1 })), ['nvidia.com/gpu=all'])
  assert.deepEqual(names(gpus({ Count: 1 })), ['nvidia.com/gpu=0'])
  assert.deepEqual(names(gpus({ DeviceIDs: ['0'] })), ['nvidia.com/gpu=0'])
  assert.throws(() => names(gpus({ Count: -1 }), ['/nowhere']), {
    message: 'could not select device driver "" with capabilities: [[gpu]]',
  })
})

test('withCdiDevices() makes the edits of a file once and those of each device', () => {
  const spec = {
    process: { env: ['PATH=/bin', 'A=1'], user: { uid: 0, gid: 0, additionalGids: [10] } },
    mounts: [],
    linux: { resources: { devices: [] }, devices: [] },
  } as unknown as OciSpec
  const facts = {
    devices: (path: string) => [{ path, type: 'c', major: 1, minor: 3, fileMode: 0o666 }],
  } as unknown as HostFacts
  const devices = requestedDevices(cdi('vendor.com/device=one'), directories)
  const { process, mounts, linux, hooks } = withCdiDevices(spec, [...devices, ...devices], facts)
  assert.deepEqual(process.env, ['A=1', 'SHARED=1', 'ONE=yes', 'PATH=/opt'])
  assert.deepEqual(process.user.additionalGids, [10, 44])
  assert.deepEqual(mounts[0], {
    destination: '/vendor',
    source: '/usr',
    type: 'bind',
    options: ['ro', 'bind'],
  })
  assert.deepEqual(linux.devices, [{ path: '/dev/one', type: 'c', major: 1, minor: 3, fileMode: 0o666 }])
  assert.deepEqual(linux.resources.devices?.[0], { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' })
  assert.deepEqual(hooks?.createContainer?.[0], { path: '/bin/hook', args: ['hook', 'x'], timeout: 3 })
})
