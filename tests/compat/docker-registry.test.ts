/** The stock docker command line against registries, through this daemon. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/lib/digest.ts'
import { TestRegistry } from '../../src/registry/testing.ts'
import { missing, system } from '../system/harness.ts'

describe('docker and registries', { skip: missing('docker') }, () => {
  const s = system('docker')
  let registry: TestRegistry
  before(
    async () => void (registry = await TestRegistry.start({ auth: 'bearer', users: { ann: 'wonder-word' } })),
  )
  after(() => registry[Symbol.asyncDispose]())

  test('login, tag, push, pull, run, logout', async () => {
    const image = `${registry.host}/team/app:1`
    const login = (word: string) =>
      s.run(['login', '-u', 'ann', '--password-stdin', registry.host], { input: word })
    assert.match((await login('wrong')).stderr, /unauthorized/)
    assert.match((await login('wonder-word')).stdout, /Login Succeeded/)
    await s.ok('tag', 'busybox', image)
    const pushed = await s.ok('push', image)
    const digest = digestOf(registry.manifests.get('team/app')?.get('1')?.data ?? '')
    assert.match(pushed, new RegExp(`1: digest: ${digest} size: \\d+`))
    await s.ok('rmi', image)
    assert.equal((await s.run(['run', '--rm', image, 'echo', 'ran'])).stdout, 'ran\n')
    assert.equal(
      await s.ok('image', 'inspect', '-f', '{{index .RepoDigests 0}}', image),
      `${registry.host}/team/app@${digest}`,
    )
    assert.equal(
      (await s.ok('pull', '-a', '-q', `${registry.host}/team/app`)).split('\n').at(-1),
      `${registry.host}/team/app`,
    )
    await s.ok('logout', registry.host)
    await s.fails(1, /pull access denied for .*team\/app/, 'pull', image)
    await s.fails(
      1,
      /An image does not exist locally with the tag: docker.io\/library\/nothing/,
      'push',
      'nothing',
    )
  })
})
