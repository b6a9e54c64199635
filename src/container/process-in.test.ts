import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Container } from './container.ts'
import { processIn } from './process-in.ts'

test('a container whose process has just gone is not running, whoever the command would run as', async (t) => {
  const bundle = mkdtempSync(join(tmpdir(), 'gantry-'))
  t.after(() => rmSync(bundle, { recursive: true }))
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ process: { user: {}, env: [], cwd: '/' } }))
  const pid = 2 ** 22 + 1 // More than Linux gives out.
  const gone = { id: 'c1', bundle, hostConfig: {}, state: { status: 'running', pid } } as unknown as Container
  await assert.rejects(processIn(gone, { Cmd: ['true'], User: 'web' }), {
    kind: 'conflict',
    message: 'container c1 is not running',
  })
})
