import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shownLogPath } from './logging.ts'

test('LogPath is a file that its driver writes; drivers that send lines away have none', () => {
  // What shownLogPath() reads of a container.
  const path = (Type: string) =>
    shownLogPath({
      id: 'i',
      directory: '/d',
      logPath: '/d/log',
      hostConfig: { LogConfig: { Type, Config: {} } },
    } as unknown as Parameters<typeof shownLogPath>[0])
  assert.deepEqual(['json-file', 'local', 'k8s-file'].map(path), ['/d/i-json.log', '/d/log', '/d/log'])
  assert.deepEqual(['none', 'syslog', 'journald'].map(path), ['', '', ''])
})
