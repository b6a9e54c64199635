import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode } from './body.ts'
import { createBody, execBody } from './schema.ts'
import { refuseUnsupported } from './unsupported.ts'

/** What `docker run` of version 28 sends for a bare `docker run busybox`. */
const stock = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: 'busybox',
  Volumes: {},
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
  HostConfig: {
    Binds: null,
    ContainerIDFile: '',
    LogConfig: { Type: '', Config: {} },
    NetworkMode: 'default',
    PortBindings: {},
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    AutoRemove: false,
    VolumeDriver: '',
    VolumesFrom: null,
    ConsoleSize: [0, 0],
    CapAdd: null,
    CapDrop: null,
    CgroupnsMode: '',
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: null,
    GroupAdd: null,
    IpcMode: '',
    Cgroup: '',
    Links: null,
    OomScoreAdj: 0,
    PidMode: '',
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: false,
    SecurityOpt: null,
    UTSMode: '',
    UsernsMode: '',
    ShmSize: 0,
    Isolation: '',
    CpuShares: 0,
    Memory: 0,
    NanoCpus: 0,
    CgroupParent: '',
    BlkioWeight: 0,
    BlkioWeightDevice: [],
    BlkioDeviceReadBps: [],
    Devices: [],
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemorySwappiness: -1,
    OomKillDisable: false,
    PidsLimit: 0,
    Ulimits: [],
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    MaskedPaths: null,
    ReadonlyPaths: null,
    KernelMemory: 0,
  },
  NetworkingConfig: {
    EndpointsConfig: {
      default: { IPAMConfig: null, Links: null, Aliases: null, DriverOpts: null, GwPriority: 0 },
    },
  },
}

function check(change: { config?: object; hostConfig?: object; endpoints?: object }): void {
  const {
    HostConfig: _,
    NetworkingConfig: __,
    ...config
  } = decode(createBody, { ...stock, ...change.config })
  refuseUnsupported({
    config,
    hostConfig: { ...stock.HostConfig, ...change.hostConfig },
    endpoints: { ...stock.NetworkingConfig.EndpointsConfig, ...change.endpoints } as object as Record<
      string,
      null
    >,
    runtimes: new Set(['crun']),
  })
}

test('what the stock client sends by default passes', () => {
  const body = decode(createBody, stock)
  assert.equal(body.Image, 'busybox')
  assert.equal('Cmd' in body, false)
  assert.equal(body.HostConfig?.MemorySwappiness, -1)
  check({})
})

test('a string is a command of one word, and null an absent field', () => {
  assert.deepEqual(decode(createBody, { Image: 'a', Cmd: 'true', Labels: null }).Cmd, ['true'])
  assert.deepEqual(decode(execBody, { Cmd: ['a', 'b'], Env: null }), { Cmd: ['a', 'b'] })
})

test('maps keep their keys whatever the value', () => {
  const body = decode(createBody, {
    Image: 'a',
    ExposedPorts: { '80/tcp': null },
    Volumes: { '/v': {} },
    HostConfig: { PortBindings: { '80/tcp': null, '81/tcp': [{ HostPort: '8081' }] } },
  })
  assert.deepEqual(body.ExposedPorts, { '80/tcp': {} })
  assert.deepEqual(body.HostConfig?.PortBindings, { '80/tcp': null, '81/tcp': [{ HostPort: '8081' }] })
})

test('a wrong value is refused with the name of its field', () => {
  const refused = (body: object, field: RegExp) =>
    assert.throws(() => decode(createBody, body), { kind: 'invalid', message: field })
  refused({ Image: 5 }, /Image: expected string/)
  refused({ Image: 'a', HostConfig: { Memory: '1g' } }, /HostConfig\.Memory: expected/)
  refused({ Image: 'a', HostConfig: { Memory: 1.5 } }, /HostConfig\.Memory/)
  refused(
    { Image: 'a', HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 80 }] } } },
    /PortBindings\.80\/tcp\.0\.HostPort/,
  )
  refused({ Image: 'a', HostConfig: { RestartPolicy: { Name: 5 } } }, /RestartPolicy\.Name/)
  assert.throws(() => decode(createBody, []), { kind: 'invalid' })
})

test('settings that nothing obeys are refused by name', () => {
  const refused = (change: Parameters<typeof check>[0], flag: RegExp) =>
    assert.throws(() => check(change), { kind: 'unsupported', message: flag })
  refused({ hostConfig: { UsernsMode: 'keep-id' } }, /--userns/)
  refused({ hostConfig: { FutureField: { On: true } } }, /HostConfig\.FutureField is not supported/)
  assert.throws(() => check({ hostConfig: { Runtime: 'kata' } }), {
    kind: 'invalid',
    message: /unknown or invalid runtime name: kata/,
  })
})

test('values that ask for what is anyway pass', () => {
  check({
    hostConfig: {
      Runtime: 'crun',
      PidMode: 'host',
      NetworkMode: 'none',
      VolumeDriver: 'local',
      UsernsMode: 'host',
    },
  })
  check({
    config: { Healthcheck: { Test: ['NONE'] } },
    hostConfig: { RestartPolicy: { Name: '' }, FutureField: { Off: [] } },
  })
})
