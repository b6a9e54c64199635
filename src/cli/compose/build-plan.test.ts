import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadProject, type Project } from '../../compose/index.ts'
import { buildTargets, servicesToBuild, type BuildOptions } from './build-plan.ts'

function projectOf(text: string, environment: Record<string, string> = {}): Project {
  return loadProject(
    {
      files: [{ path: '/p/compose.yaml', text }],
      folder: '/p',
      environment: new Map(Object.entries(environment)),
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
}

const options: BuildOptions = {
  args: {},
  ssh: [],
  noCache: false,
  pull: false,
  push: false,
  provenance: '',
  sbom: '',
  labels: (service) => ({ 'com.docker.compose.service': service }),
}

function targetsOf(text: string, o: Partial<BuildOptions> & { environment?: Record<string, string> } = {}) {
  const project = projectOf(text, o.environment)
  return Object.fromEntries(
    buildTargets(project, servicesToBuild(project, project.services.keys()), { ...options, ...o }),
  )
}

const all = `services:
  web:
    image: web:1
    build:
      context: app
      args: {A: "1", B: }
      ssh: [default]
      secrets: [s1, {source: s2, target: two}]
      cache_from: [busybox]
      cache_to: ["type=inline"]
      additional_contexts: {base: "service:base", other: ./app}
      target: last
      tags: ["web:2"]
      labels: {x: y}
      network: host
      shm_size: 64m
      ulimits: {nofile: 100, nproc: {soft: 10, hard: 20}}
      extra_hosts: ["a=1.2.3.4", "a=1.2.3.5"]
      no_cache: true
      pull: true
      entitlements: [network.host]
      provenance: mode=max
      sbom: true
  base:
    build: {context: app, dockerfile_inline: "FROM busybox"}
  stock: {image: busybox}
secrets:
  s1: {file: ./s1}
  s2: {environment: S2}
`

test('build keys become what docker compose gives to bake', () => {
  const { web, base, stock } = targetsOf(all)
  assert.equal(stock, undefined)
  assert.deepEqual(base, {
    context: '/p/app',
    'dockerfile-inline': 'FROM busybox',
    labels: { 'com.docker.compose.service': 'base' },
    tags: ['demo-base'],
    output: ['type=docker'],
  })
  assert.deepEqual(web, {
    attest: ['type=provenance,mode=max', 'type=sbom'],
    context: '/p/app',
    contexts: { base: 'target:base', other: '/p/app' },
    dockerfile: '/p/app/Dockerfile',
    args: { A: '1' },
    labels: { x: 'y', 'com.docker.compose.service': 'web' },
    tags: ['web:2', 'web:1'],
    'cache-from': ['busybox'],
    'cache-to': ['type=inline'],
    target: 'last',
    secret: ['id=s1,type=file,src=/p/s1', 'id=two,type=env,env=S2'],
    ssh: ['default'],
    output: ['type=docker'],
    pull: true,
    'no-cache': true,
    network: 'host',
    'shm-size': '67108864',
    ulimits: ['nofile=100', 'nproc=10:20'],
    entitlements: ['network.host'],
    'extra-hosts': { a: '1.2.3.4,1.2.3.5' },
  })
})

test('a service that another one takes as a context is built with it', () => {
  const project = projectOf(all)
  assert.deepEqual([...servicesToBuild(project, ['web']).keys()], ['web', 'base'])
  assert.deepEqual([...servicesToBuild(project, ['stock']).keys()], [])
})

test('only images with a name are pushed; several platforms are one image', () => {
  const text = (platforms: string) =>
    `services:\n  a: {image: a:1, build: {context: ., platforms: [${platforms}]}}\n  b: {build: .}\n`
  const one = targetsOf(text('linux/amd64'), { push: true })
  assert.deepEqual([one['a']?.output, one['b']?.output], [['type=registry'], ['type=docker']])
  const two = targetsOf(text('linux/amd64, linux/arm64'))
  assert.deepEqual(two['a']?.output, ['type=image,push=false'])
  assert.deepEqual(two['a']?.platforms, ['linux/amd64', 'linux/arm64'])
})

test('built to be run, an image is of one platform', () => {
  const text = 'services:\n  a: {build: {context: ., platforms: [linux/amd64, linux/arm64]}}\n'
  const of = (environment: Record<string, string>) =>
    targetsOf(text, { onePlatform: true, environment })['a']?.platforms
  assert.equal(of({}), undefined)
  assert.deepEqual(of({ DOCKER_DEFAULT_PLATFORM: 'linux/arm64' }), ['linux/arm64'])
  assert.throws(() => of({ DOCKER_DEFAULT_PLATFORM: 'linux/s390x' }), /service "a" build\.platforms/)
})

test('what build steps cannot have is refused by name', () => {
  const build = (key: string) => `services:\n  a: {build: {context: ., ${key}}}\n`
  assert.throws(() => targetsOf(build('privileged: true')), /services\.a\.build\.privileged/)
  assert.throws(() => targetsOf(build('isolation: hyperv')), /services\.a\.build\.isolation/)
  assert.throws(() => targetsOf(build('network: mine')), /services\.a\.build\.network.*"mine"/)
})
