import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classicBuildRequest } from './classic-build-request.ts'
import { Query } from './query.ts'

const read = (text: string) => classicBuildRequest(new Query(text))
const json = (value: unknown) => encodeURIComponent(JSON.stringify(value))

test('a docker without wishes asks for no more than a Dockerfile', () => {
  const plain =
    'buildargs={}&cachefrom=[]&cgroupparent=&cpuperiod=0&cpuquota=0&cpusetcpus=&cpusetmems=&cpushares=0&' +
    'dockerfile=Dockerfile&labels={}&memory=0&memswap=0&networkmode=default&rm=1&shmsize=0&' +
    'target=&ulimits=null&version=1&t=a:1&t=b'
  assert.deepEqual(read(plain), {
    dockerfile: 'Dockerfile',
    tags: ['a:1', 'b'],
    buildArgs: {},
    labels: {},
    noCache: false,
    pull: false,
    networkMode: 'default',
  })
})

test('every wish arrives under the builder’s own names', () => {
  const ulimit = { Name: 'nofile', Soft: 10, Hard: 20 }
  const request = read(
    `buildargs=${json({ A: '1', gone: null })}&labels=${json({ l: 'v' })}&nocache=1&pull=1&target=t&platform=linux/arm64&` +
      `extrahosts=h:1.2.3.4&ulimits=${json([ulimit])}&shmsize=4096&memory=1000&cpushares=5&cpusetcpus=0-1&` +
      `cachefrom=${json(['img:1'])}&cgroupparent=/g`,
  )
  const { dockerfile: _d, tags: _t, ...rest } = request
  assert.deepEqual(rest, {
    buildArgs: { A: '1' },
    labels: { l: 'v' },
    noCache: true,
    pull: true,
    target: 't',
    platform: 'linux/arm64',
    cgroupParent: '/g',
    addHosts: ['h:1.2.3.4'],
    ulimits: [ulimit],
    shmSize: 4096,
    resources: { Memory: 1000, CpuShares: 5, CpusetCpus: '0-1' },
    cacheFrom: [{ kind: 'registry', reference: 'img:1' }],
  })
})

test('what is not done is refused by name', () => {
  assert.throws(() => read('squash=1'), { kind: 'unsupported', message: /squash=1/ })
  assert.throws(() => read('securityopt=seccomp%3Dx'), { kind: 'unsupported' })
  assert.throws(() => read('version=2'), { kind: 'unsupported', message: /\/grpc and \/session/ })
  assert.throws(() => read('ulimits=[{"Name":1}]'), { kind: 'invalid' })
})
