import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from './config.ts'

test('a config file that is missing counts as empty; so, with a warning, does one that is broken', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const warnings: string[] = []
  const read = () => readConfig(directory, (text) => warnings.push(text))
  assert.equal(read().format('psFormat'), '')
  assert.deepEqual(warnings, [])
  writeFileSync(join(directory, 'config.json'), '{bad')
  assert.deepEqual(read().httpHeaders, {})
  assert.match(warnings.join(), /^WARNING: Error parsing config file \(.*config\.json\): /)
  writeFileSync(join(directory, 'config.json'), '{"psFormat": "{{.ID}}", "HttpHeaders": {"a": "b"}}')
  assert.equal(read().format('psFormat'), '{{.ID}}')
  assert.deepEqual(read().httpHeaders, { a: 'b' })
})

test('proxies are those of the daemon, else the default ones, in capitals and in small letters', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const proxies = {
    default: { httpProxy: 'http://p:1', noProxy: 'local', ftpProxy: '' },
    'tcp://far:1': { allProxy: 'socks5://q' },
  }
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ proxies }))
  const config = readConfig(directory, assert.fail)
  assert.deepEqual(config.proxies('unix:///s'), {
    HTTP_PROXY: 'http://p:1',
    http_proxy: 'http://p:1',
    NO_PROXY: 'local',
    no_proxy: 'local',
  })
  assert.deepEqual(config.proxies('tcp://far:1'), { ALL_PROXY: 'socks5://q', all_proxy: 'socks5://q' })
})
