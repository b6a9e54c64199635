import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readUpstreams } from './upstream-settings.ts'

test('a file of upstreams is read, and refused with the place of what is wrong', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-upstreams-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'upstreams.json')
  const read = async (content: object | string, mode = 0o600) => {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    chmodSync(path, mode)
    return await readUpstreams(path)
  }
  writeFileSync(join(directory, 'password'), 'hidden\n', { mode: 0o600 })
  const hub = { prefix: '', registry: 'docker.io' }
  assert.deepEqual(
    await read({
      upstreams: [
        hub,
        { prefix: 'ghcr.io', registry: 'ghcr.io', username: 'me', passwordFile: 'password', fresh: '1h' },
      ],
      maxSize: '50GB',
      maxUnused: '30d',
    }),
    {
      upstreams: [
        { ...hub, path: '', insecure: false, login: undefined, fresh: 300_000 },
        {
          prefix: 'ghcr.io',
          registry: 'ghcr.io',
          path: '',
          insecure: false,
          login: { username: 'me', password: 'hidden' },
          fresh: 3_600_000,
        },
      ],
      maxBytes: 50e9,
      maxUnused: 30 * 24 * 3_600_000,
    },
  )
  const refused = async (content: object | string, message: RegExp, mode?: number) =>
    await assert.rejects(read(content, mode), { kind: 'invalid', message })
  await refused('{"upstreams": [{"password": "hidden"', /^(?!.*hidden).*it is not JSON/)
  await refused({ upstreams: [] }, /upstreams:/)
  await refused({ upstreams: [{ ...hub, prefx: '' }] }, /upstreams\.0: .*prefx/)
  await refused(
    { upstreams: [{ ...hub, prefix: 'UP' }] },
    /upstreams\.0\.prefix: want the beginning of repository names/,
  )
  await refused({ upstreams: [{ ...hub, registry: 'https://x' }] }, /upstreams\.0\.registry: want HOST/)
  await refused({ upstreams: [hub, hub] }, /the prefix "" is there twice/)
  await refused({ upstreams: [hub], maxSize: '5 GiB' }, /maxSize: want a number/)
  await refused({ upstreams: [{ ...hub, username: 'me' }] }, /upstreams\.0: want username with/)
  await refused(
    { upstreams: [{ ...hub, username: 'me', passwordFile: 'no' }] },
    /upstreams.*no.*ENOENT|ENOENT/,
  )
  const login = { upstreams: [{ ...hub, username: 'me', password: 'hidden' }] }
  assert.deepEqual((await read(login)).upstreams[0]?.login, { username: 'me', password: 'hidden' })
  await refused(login, /^(?!.*hidden).*others may read it: chmod 600/, 0o644)
})
