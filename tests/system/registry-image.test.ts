/** The registry server as an image, built and run by Gantry. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { command, eventually, freePort, root, system } from './harness.ts'
import { get } from './registry-server.ts'

describe('the image of the registry', () => {
  const s = system()

  test('it is built, serves what is pushed to it, and keeps it in a volume', async () => {
    const build = [join(root, 'tools/with-node'), join(root, 'tools/registry-image.ts'), 'registry']
    const built = await command(build, { env: s.daemon.environment(), timeout: 60_000 })
    assert.equal(built.code, 0, built.stderr)
    const host = `127.0.0.1:${await freePort()}`
    const options = '-d --name reg -v images:/var/lib/gantry-registry --read-only --cap-drop=ALL'.split(' ')
    const serve = (...flags: string[]) => s.ok('run', ...options, '-p', `${host}:5000`, 'registry', ...flags)
    const isReady = () =>
      eventually(async () => assert.equal((await get(`http://${host}/readyz`)).status, 200))

    await serve()
    await isReady()
    await s.ok('tag', 'busybox', `${host}/team/app`)
    await s.ok('push', '-q', `${host}/team/app`)
    await s.ok('stop', 'reg')
    assert.equal(
      await s.ok('inspect', '--format', '{{.State.ExitCode}} {{.Config.User}}', 'reg'),
      '0 65532:65532',
    )
    await s.ok('rm', 'reg')

    // Flags follow the image's name.
    await serve('--read-only')
    await isReady()
    await s.ok('rmi', `${host}/team/app`)
    await s.ok('pull', '-q', `${host}/team/app`)
    const refused = await get(`http://${host}/v2/a/blobs/uploads/`, { method: 'POST' })
    assert.equal(refused.status, 405)
    await s.ok('rm', '-f', 'reg')
  })
})
