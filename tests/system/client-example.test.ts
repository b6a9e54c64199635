import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { command, root, system } from './harness.ts'

suite('the example of the client', () => {
  const s = system()

  test('runs a container and tells of it', async () => {
    const { code, stdout, stderr } = await command(
      [`${root}/tools/with-node`, `${root}/examples/client/run.ts`],
      {
        env: s.daemon.environment(),
      },
    )
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'hello from example\nexit code 3\nfound 1: exited\n404 not-found\n')
  })
})
