import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../client/index.ts'
import { complete } from './complete.ts'
import { globals } from './globals.ts'

/** What the daemon has; everything else is never asked for. */
const client = {
  ...connect({ host: 'unix:///nonexistent' }),
  containers: {
    list: () => Promise.resolve([{ Id: '1', Names: ['/web'], Image: 'nginx', Status: 'Up' }]),
  },
  images: { list: () => Promise.resolve([{ RepoTags: ['nginx:1', '<none>:<none>'] }]) },
  networks: { list: () => Promise.resolve([{ Name: 'back', Driver: 'bridge' }]) },
} as unknown as Parameters<typeof complete>[1]['client']

const words = async (line: string) => {
  const { candidates, files } = await complete(line.split(' '), { globals, client })
  return files ? [':files'] : candidates.map(({ text }) => text)
}

test('commands and groups are completed, one word at a time', async () => {
  assert.deepEqual(await words('conta'), ['container'])
  assert.deepEqual(await words('container pr'), ['prune'])
  assert.ok((await words('--host unix:///x p')).includes('ps'))
  assert.ok((await words('compose -f a.yaml conf')).includes('config'))
  assert.ok(!(await words('')).includes('__complete'))
  assert.deepEqual(await words('nothing x'), [])
})

test('flags, and values of flags that can be known', async () => {
  assert.ok((await words('run --me')).includes('--memory'))
  assert.deepEqual(await words('run --network '), ['back'])
  assert.deepEqual(await words('run --restart un'), ['unless-stopped'])
  assert.deepEqual(await words('run --env-file '), [':files'])
  assert.ok((await words('--conf')).includes('--config'))
})

test('arguments by what the usage says of them', async () => {
  assert.deepEqual(await words('stop '), ['web'])
  assert.deepEqual(await words('run -it --name x ng'), ['nginx:1'])
  assert.deepEqual(await words('run nginx:1 '), [':files'])
  assert.deepEqual(await words('network inspect b'), ['back'])
  assert.deepEqual(await words('exec web '), [':files'])
})
