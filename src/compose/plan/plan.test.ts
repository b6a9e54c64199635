import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerSummary } from '../../wire/container.ts'
import type { VolumeInfo } from '../../wire/system.ts'
import { volumeBody } from '../desired/resource-bodies.ts'
import type { Observed } from '../observe.ts'
import { isConverged, plan } from './plan.ts'
import { container, converged, imagesOf, load, nothing, steps } from './testing.ts'

const web = { image: 'web', environment: { LOG: 'info', API_TOKEN: 'one' } }

test('a first up creates everything, a second one nothing', () => {
  const project = load({ web, db: { image: 'db' } })
  const first = plan(project, nothing, { images: imagesOf(project) })
  assert.deepEqual(
    first.networks.map(({ kind, name }) => [kind, name]),
    [['create', 'p_default']],
  )
  assert.deepEqual(steps(project, nothing), [
    'p-db-1 create: it is not there yet',
    'p-web-1 create: it is not there yet',
  ])
  assert.equal(isConverged(first), false)
  assert.equal(isConverged(plan(project, converged(project), { images: imagesOf(project) })), true)
})

test('a changed variable recreates its service alone and is named; secrets are not shown', () => {
  const before = converged(load({ web, db: { image: 'db' } }))
  const changed = load({
    web: { ...web, environment: { LOG: 'debug', API_TOKEN: 'two', NEW: '1' } },
    db: { image: 'db' },
  })
  assert.deepEqual(steps(changed, before), [
    'p-db-1 keep: unchanged',
    'p-web-1 recreate: environment.API_TOKEN: (secret) → (secret); environment.LOG: info → debug; environment.NEW: 1 added',
  ])
  assert.equal(JSON.stringify(before).includes('"one"'), false)
})

test('what docker compose made is known by its hash; without our label the change has no name', () => {
  const project = load({ web })
  const before = converged(project)
  const theirs = { ...before, containers: before.containers.map((each) => ({ ...each, config: '' })) }
  assert.deepEqual(steps(project, theirs), ['p-web-1 keep: unchanged'])
  assert.deepEqual(steps(load({ web: { image: 'other' } }), theirs), [
    'p-web-1 recreate: its configuration changed',
  ])
})

test('a new image recreates; force and never have their way', () => {
  const project = load({ web })
  const before = converged(project)
  assert.deepEqual(steps(project, before, { images: new Map([['web', 'sha256:22']]) }), [
    'p-web-1 recreate: image web: 11 → 22',
  ])
  assert.deepEqual(steps(project, before, { recreate: 'force' }), [
    'p-web-1 recreate: recreation was asked for',
  ])
  assert.deepEqual(steps(load({ web: { image: 'other' } }), before, { recreate: 'never' }), [
    'p-web-1 keep: unchanged',
  ])
})

test('dependencies that were not named follow their own policy', () => {
  const project = load({ web: { ...web, depends_on: ['db'] }, db: { image: 'db' } })
  assert.deepEqual(steps(project, converged(project), { named: ['web'], recreate: 'force' }), [
    'p-db-1 keep: unchanged',
    'p-web-1 recreate: recreation was asked for',
  ])
})

test('depends_on with restart stops and starts with what is recreated', () => {
  const services = (version: string) => ({
    web: { image: 'web', depends_on: { db: { condition: 'service_started', restart: true } } },
    db: { image: 'db', environment: { version } },
  })
  assert.deepEqual(steps(load(services('2')), converged(load(services('1')))), [
    'p-db-1 recreate: environment.version: 1 → 2',
    'p-web-1 restart: it depends on db, which is recreated',
  ])
})

test('what shares a namespace with a new container is new, too', () => {
  const services = (version: string) => ({
    side: { image: 'side', network_mode: 'service:web' },
    web: { image: 'web', environment: { version } },
  })
  const found = steps(load(services('2')), converged(load(services('1'))))
  assert.deepEqual(found, [
    'p-web-1 recreate: environment.version: 1 → 2',
    'p-side-1 recreate: it shares with web, which is not the same any more',
  ])
})

test('scaling down takes what is out of date first, then the highest numbers', () => {
  const project = load({ web: { ...web, scale: 2 } })
  const [one] = converged(project).containers
  assert.ok(one)
  const numbered = (number: number, configHash = one.configHash) => ({
    ...one,
    id: `id-${number}`,
    number,
    name: `p-web-${number}`,
    configHash,
  })
  const observed = { ...converged(project), containers: [numbered(1, 'old'), numbered(2), numbered(3)] }
  assert.deepEqual(steps(project, observed), [
    'p-web-1 remove: scaled down to 2',
    'p-web-2 keep: unchanged',
    'p-web-3 keep: unchanged',
  ])
  assert.deepEqual(steps(load({ web: { ...web, scale: 5 } }), observed).slice(3), [
    'p-web-4 create: scaled up to 5',
    'p-web-5 create: scaled up to 5',
  ])
})

test('stopped containers start; what is not to be started is converged', () => {
  const project = load({ web })
  const stopped = converged(project, { state: 'exited' })
  assert.deepEqual(steps(project, stopped), ['p-web-1 start: it is exited'])
  assert.equal(isConverged(plan(project, stopped, { images: imagesOf(project), start: false })), true)
})

test('orphans are told apart from services of other profiles', () => {
  const project = load({ web, debug: { image: 'd', profiles: ['debug'] } })
  const gone = container({ service: 'gone', name: 'p-gone-1' })
  const observed = { ...nothing, containers: [gone, container({ service: 'debug', name: 'p-debug-1' })] }
  assert.deepEqual(plan(project, observed, { images: imagesOf(project) }).orphans, [gone])
})

test('networks: changed ones are replaced with their containers, external ones must be there', () => {
  const before = converged(load({ web }, { networks: { default: { driver_opts: { a: '1' } } } }))
  const project = load({ web }, { networks: { default: { driver_opts: { a: '2' } } } })
  const found = plan(project, before, { images: imagesOf(project) })
  assert.deepEqual(
    found.networks.map(({ kind }) => kind),
    ['replace'],
  )
  assert.deepEqual(steps(project, before), ['p-web-1 recreate: network p_default is not the one it is in'])
  const external = load({ web }, { networks: { default: { name: 'shared', external: true } } })
  assert.throws(() => plan(external, nothing, { images: imagesOf(external) }), {
    kind: 'not-found',
    message: 'network shared declared as external, but could not be found',
  })
})

test('a changed volume is made again with its containers, or left alone with them', () => {
  const services = { web: { ...web, volumes: ['data:/data'] } }
  const before = load(services, { volumes: { data: {} } })
  const project = load(services, { volumes: { data: { labels: { a: 'b' } } } })
  const body = volumeBody(before, 'data', before.volumes.get('data') ?? assert.fail())
  const there = converged(before)
  const observed: Observed = {
    ...there,
    containers: there.containers.map((each) => {
      const Mounts = [{ Type: 'volume', Name: 'p_data', Destination: '/data' }]
      // The plan reads no more of it.
      return { ...each, summary: { ...each.summary, Mounts } as unknown as ContainerSummary }
    }),
    // The plan reads no more of it.
    volumes: [{ Name: 'p_data', Labels: body.Labels } as unknown as VolumeInfo],
  }
  assert.deepEqual(steps(before, observed), ['p-web-1 keep: unchanged'])
  const images = imagesOf(project)
  const agreed = plan(project, observed, { images })
  assert.deepEqual(
    agreed.volumes.map(({ kind }) => kind),
    ['replace'],
  )
  assert.deepEqual(steps(project, observed), ['p-web-1 recreate: volume p_data is not the one it has'])
  const declined = plan(project, observed, { images, keptVolumes: new Set(['p_data']) })
  assert.equal(isConverged(declined), true)
  assert.match(declined.warnings.join(), /^volume "p_data" exists but doesn't match .* left as it is/)
})
