import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadProject } from '../../compose/index.ts'
import { oneOffService, type OneOffOptions } from './one-off.ts'

const text = `services:
  app:
    image: i
    command: serve
    entrypoint: /run
    restart: always
    ports: ["80:80"]
    environment: {A: "1", B: "2"}
    volumes: ["/a:/one", "/b:/two"]
    cap_add: [NET_ADMIN]
    deploy: {replicas: 3, restart_policy: {condition: any}}
`
const project = loadProject(
  {
    files: [{ path: '/p/compose.yaml', text }],
    folder: '/p',
    environment: new Map([['FROM_ENV', 'env']]),
    sources: new Map(),
    name: 'demo',
    profiles: [],
  },
  {
    interpolation: true,
    normalization: true,
    pathResolution: true,
    consistency: true,
    envResolution: false,
    warn: () => {},
  },
)

function oneOff(o: Partial<OneOffOptions> = {}) {
  const service = project.services.get('app')
  assert.ok(service)
  return oneOffService(project, service, {
    command: [],
    entrypoint: undefined,
    env: [],
    envFiles: [],
    labels: [],
    capAdd: [],
    capDrop: [],
    user: '',
    workdir: '',
    volumes: [],
    publish: [],
    servicePorts: false,
    tty: false,
    interactive: true,
    name: '',
    ...o,
  })
}

test('a one-off container ends with its command and takes no ports', () => {
  const service = oneOff()
  assert.deepEqual([service.command, service.entrypoint], [['serve'], ['/run']])
  assert.deepEqual([service.restart, service.ports, service.scale], ['', [], 1])
  assert.equal(service.deploy?.restart_policy, undefined)
  assert.equal(oneOff({ servicePorts: true }).ports.length, 1)
})

test('the command line goes over the file', () => {
  const service = oneOff({
    command: ['sh', '-c', 'echo $X; ls'],
    env: ['A=over', 'FROM_ENV', 'C=$notreplaced'],
    volumes: ['/c:/two:ro', 'data:/three'],
    publish: ['127.0.0.1:8080:80/udp'],
    capDrop: ['NET_ADMIN'],
    labels: ['l=m'],
  })
  assert.deepEqual(service.command, ['sh', '-c', 'echo $X; ls'])
  assert.deepEqual(Object.fromEntries(service.environment), {
    A: 'over',
    B: '2',
    FROM_ENV: 'env',
    C: '$notreplaced',
  })
  assert.deepEqual(
    service.volumes.map(({ type, source, target, read_only }) => [type, source, target, read_only]),
    [
      ['bind', '/a', '/one', false],
      ['bind', '/c', '/two', true],
      ['volume', 'data', '/three', false],
    ],
  )
  assert.deepEqual(
    service.ports.map(({ host_ip, published, target, protocol }) => [host_ip, published, target, protocol]),
    [['127.0.0.1', '8080', 80, 'udp']],
  )
  assert.deepEqual([service.cap_add, service.cap_drop], [[], ['NET_ADMIN']])
})

test('another entrypoint takes the command with it', () => {
  const service = oneOff({ entrypoint: 'sh -c "echo a"' })
  assert.deepEqual([service.entrypoint, service.command], [['sh', '-c', 'echo a'], null])
  assert.deepEqual(oneOff({ entrypoint: '', command: ['x'] }).entrypoint, [''])
})

test('what cannot be read says so', () => {
  assert.throws(() => oneOff({ volumes: [''] }), /empty/)
  assert.throws(() => oneOff({ publish: ['x:y'] }), /Invalid containerPort: y/)
  assert.throws(() => oneOff({ publish: ['80'], servicePorts: true }), /are incompatible/)
})
