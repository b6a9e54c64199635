import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { suite, test } from 'node:test'
import { eventually, finished, system } from './harness.ts'

suite('the API by itself', () => {
  const s = system()
  const d = s.daemon

  test('ping, with the headers clients look at', async () => {
    assert.deepEqual(await d.api('GET', '/_ping'), { status: 200, text: 'OK' })
    assert.equal((await d.api('HEAD', '/_ping')).status, 200)
  })

  test('versions 1.24 to 1.51 in the path, 400 for others', async () => {
    for (const version of ['v1.24', 'v1.40', 'v1.51'])
      assert.equal((await d.api('GET', `/${version}/version`)).status, 200)
    for (const version of ['v1.23', 'v1.52', 'v2.0']) {
      const { status, text } = await d.api('GET', `/${version}/version`)
      assert.equal(status, 400, version)
      assert.match(text, /version/)
    }
  })

  test('an unknown route is 404 with a message', async () => {
    const { status, text } = await d.api('GET', '/nosuch')
    assert.equal(status, 404)
    assert.match((JSON.parse(text) as { message: string }).message, /page not found/)
  })

  test('version and info tell the truth', async () => {
    const version = await d.json<Record<string, string>>('GET', '/version')
    assert.deepEqual(
      [version['ApiVersion'], version['MinAPIVersion'], version['Os'], version['KernelVersion']],
      ['1.51', '1.24', 'linux', release()],
    )
    await s.ok('run', '-d', 'busybox', 'sleep', '100')
    await s.ok('create', 'busybox')
    const info = await d.json<Record<string, unknown>>('GET', '/info')
    assert.deepEqual(
      ['Containers', 'ContainersRunning', 'ContainersStopped', 'Images', 'DockerRootDir'].map(
        (key) => info[key],
      ),
      [2, 1, 1, 1, d.dataRoot],
    )
    assert.match(String(info['Driver']), /overlay/)
    assert.equal(info['CgroupVersion'], existsSync('/sys/fs/cgroup/cgroup.controllers') ? '2' : '1')
    assert.match(JSON.stringify(info['SecurityOptions']), /name=seccomp/)
  })

  test('bodies that are not what they should be are 400', async () => {
    assert.equal((await d.api('POST', '/containers/create', { Image: 5 })).status, 400)
    assert.equal((await d.api('POST', '/containers/create')).status, 400)
    assert.equal((await d.api('GET', '/containers/json?filters=%7Bnot')).status, 400)
  })

  test('start of a running and stop of a stopped container are 304', async () => {
    const id = await s.ok('run', '-d', 'busybox', 'sleep', '100')
    assert.equal((await d.api('POST', `/containers/${id}/start`)).status, 304)
    await s.ok('stop', '-t', '0', id)
    assert.equal((await d.api('POST', `/containers/${id}/stop`)).status, 304)
  })

  test('events come as they happen, and from the past', async () => {
    const before = String(Math.floor(Date.now() / 1000))
    const child = s.spawn(['events', '--format', '{{.Type}} {{.Action}}'])
    const seen: string[] = []
    child.stdout.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    const ended = finished(child, 'events')
    await eventually(async () => {
      await s.ok('run', '--rm', 'busybox', 'true')
      assert.match(
        seen.join(''),
        /container create\n[^]*container start\n[^]*container die\n[^]*container destroy\n/,
      )
    })
    child.kill('SIGTERM')
    await ended
    const past = await s.ok(
      'events',
      '--since',
      before,
      '--until',
      String(Math.ceil(Date.now() / 1000) + 1),
      '--filter',
      'event=die',
      '--format',
      '{{.Actor.Attributes.exitCode}}',
    )
    assert.match(past, /^0$/m)
  })
})
