import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startFauxS3 } from '../../src/distribution/fauxqs-testing.ts'
import { root } from './harness.ts'

test("a registry in S3 keeps the specification's sentences, too, and stands what one in files does", async () => {
  await using s3 = await startFauxS3()
  const folder = join(root, 'src/api/registry')
  const files = readdirSync(folder).filter((name) => /^(?:spec-.*|robust)\.slow\.test\.ts$/.test(name))
  assert(files.length >= 5)
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', ...files], {
    cwd: folder,
    env: { ...environment, GANTRY_TEST_S3: `http://127.0.0.1:${s3.port}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  assert.equal(child.exitCode, 0, output)
  assert.match(output, /pass [5-9]\d/)
})
