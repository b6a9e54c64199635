import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../../client/index.ts'
import { DaemonError } from '../../client/index.ts'
import { label } from '../labels.ts'
import { dryRunClient } from './dry-run-client.ts'

/** An engine with one container; every call is noted. */
function engine(): { client: Client; called: string[] } {
  const called: string[] = []
  const there = { Id: 'c1', Names: ['/demo-db-1'], State: 'running', Labels: { [label.service]: 'db' } }
  const answers: Record<string, unknown> = {
    'containers.list': [there],
    'containers.inspect': { Id: 'c1', State: { Status: 'running', Running: true } },
    'registry.inspect': {},
  }
  const part = (name: string) =>
    new Proxy(
      {},
      {
        get: (_target, key) => async () => {
          const call = `${name}.${String(key)}`
          called.push(call)
          if (call === 'images.inspect') throw new DaemonError(404, 'No such image')
          return answers[call]
        },
      },
    )
  const client = new Proxy({}, { get: (_target, key) => part(String(key)) })
  return { client: client as Client, called }
}

test('a dry run passes on what reads, and nothing else', async () => {
  const { client, called } = engine()
  const dry = dryRunClient(client)
  await dry.containers.stop('c1')
  await dry.containers.remove('c1', { force: true })
  await dry.networks.create({ Name: 'n' })
  await dry.volumes.remove('v')
  await dry.images.remove('i')
  assert.deepEqual(called, [])
  assert.throws(() => dry.volumes.prune(), /prune is not supported in dry-run mode/)
  assert.throws(() => dry.containers.prune(), /prune is not supported in dry-run mode/)
  assert.deepEqual(called, [])
})

test('what would have been done is there for the rest of it', async () => {
  const { client } = engine()
  const { containers } = dryRunClient(client)
  await containers.stop('c1')
  assert.deepEqual(await containers.list(), [])
  const made = { name: 'demo-web-1' }
  await containers.create({ Image: 'web', Labels: { [label.service]: 'web' } }, made)
  await containers.start('demo-web-1')
  const names = async (filter: string) =>
    (await containers.list({ filters: { label: [filter] } })).map(({ Id }) => Id)
  assert.deepEqual(await names(`${label.service}=web`), ['demo-web-1'])
  assert.deepEqual(await names(`${label.service}=other`), [])
  const { State } = await containers.inspect('demo-web-1')
  assert.equal(State.Running, true)
  assert.equal(State.Health?.Status, 'healthy')
  await assert.rejects(containers.attach('demo-web-1', {}), /interactive run is not supported/)
})

test('what somebody waits for to end has ended well', async () => {
  const { client } = engine()
  const { containers } = dryRunClient(client)
  const job = { [label.service]: 'job', [label.project]: 'demo' }
  const web = {
    [label.service]: 'web',
    [label.project]: 'demo',
    [label.dependsOn]: 'job:service_completed_successfully:false',
  }
  await containers.create({ Image: 'i', Labels: job }, { name: 'demo-job-1' })
  await containers.create({ Image: 'i', Labels: web }, { name: 'demo-web-1' })
  await containers.start('demo-job-1')
  const { State } = await containers.inspect('demo-job-1')
  assert.deepEqual([State.Status, State.ExitCode], ['exited', 0])
})

test('an image is there once it would have been pulled, if its registry has it', async () => {
  const { client, called } = engine()
  const { images, registry } = dryRunClient(client)
  await assert.rejects(images.inspect('web:1'), { status: 404 })
  for await (const _message of registry.pull('web', { tag: '1' })) assert.fail('nothing is told')
  assert.equal((await images.inspect('docker.io/library/web:1')).Id, 'dryRunId')
  assert.deepEqual(called, ['images.inspect', 'registry.inspect', 'images.inspect'])
})
