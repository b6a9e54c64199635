import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../../client/index.ts'
import { waitFor } from './conditions.ts'

const result = (ExitCode: number, Output: string) => ({ Start: '', End: '', ExitCode, Output })

async function said(Log: object[] | null): Promise<unknown> {
  const State = { Status: 'running', Running: true, Health: { Status: 'unhealthy', FailingStreak: 3, Log } }
  const client = { containers: { inspect: async () => ({ State }) } } as unknown as Client
  const told: string[] = []
  const report = ({ details = '' }) => void told.push(details)
  const waiting = waitFor({ id: '1', name: 'demo-db-1' }, { client, report, condition: 'healthy' })
  const error: unknown = await waiting.catch((each: unknown) => each)
  assert.ok(error instanceof Error)
  assert.equal(told.at(-1), error.message)
  return error.message
}

test('what the last check said is why one waits in vain', async () => {
  assert.equal(await said(null), 'container demo-db-1 is unhealthy')
  assert.equal(
    await said([result(1, 'first'), result(7, 'usage:\nno such \x1b[31mhost\n'), result(0, 'fine')]),
    'container demo-db-1 is unhealthy: its last check exited with 7: no such \\x1b[31mhost',
  )
  assert.equal(
    await said([result(-1, 'Health check exceeded timeout (1s)')]),
    'container demo-db-1 is unhealthy: its last check failed: Health check exceeded timeout (1s)',
  )
  assert.equal(await said([result(2, '')]), 'container demo-db-1 is unhealthy: its last check exited with 2')
  assert.match(String(await said([result(2, 'x'.repeat(4000))])), /: x{200}…$/)
})
