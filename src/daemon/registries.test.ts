import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFlags } from './flags.ts'
import { resolve } from './resolve.ts'
import { parseConfigFile, settingsOfFlags } from './settings.ts'

const flags = (...argv: string[]) => resolve(settingsOfFlags(parseFlags(argv))).config
const file = (value: object, environment = {}) =>
  resolve(parseConfigFile('d.json', JSON.stringify(value)), environment).config

test('what is said of registries is checked', () => {
  const { registries, maxDownloads, maxUploads } = flags(
    '--registry-mirror=https://m.test/',
    '--insecure-registry',
    'r.test:5000',
    '--insecure-registry=10.0.0.0/8',
    '--max-concurrent-downloads=1',
    '--offline',
  )
  assert.deepEqual(registries.mirrors, ['https://m.test'])
  assert.deepEqual(registries.insecure, ['r.test:5000', '10.0.0.0/8'])
  assert.deepEqual([registries.offline, maxDownloads, maxUploads, registries.attempts], [true, 1, 5, 5])
  const refused = (message: RegExp, ...argv: string[]) =>
    assert.throws(() => flags(...argv), { kind: 'invalid', message })
  refused(/invalid mirror: "m.test" is not a valid URI/, '--registry-mirror=m.test')
  refused(/path, query, or fragment/, '--registry-mirror=https://m.test/path')
  refused(/should not contain ':\/\/'/, '--insecure-registry=http://r.test')
  refused(/insecure registry "a b"/, '--insecure-registry=a b')
  refused(/max-concurrent-uploads 0: want 1 or more/, '--max-concurrent-uploads=0')
  refused(/certs-dir "x": want an absolute path/, '--certs-dir=x')
  refused(/https-proxy: want the URL/, '--https-proxy=socks5://p')
  assert.throws(
    () => flags('--registry-mirror=https://u:secret-word@m.test'),
    (error: Error) => {
      assert.doesNotMatch(error.message, /secret-word/)
      return /username\/password not allowed/.test(error.message)
    },
  )
})

test('proxies: of the configuration, else of the environment', () => {
  const environment = { HTTP_PROXY: 'http://env:1', https_proxy: 'http://env:2', NO_PROXY: 'a.test' }
  assert.deepEqual(file({}, environment).registries.proxies, {
    http: 'http://env:1',
    https: 'http://env:2',
    no: 'a.test',
  })
  const own = { proxies: { 'http-proxy': 'http://own:1', 'https-proxy': '', 'no-proxy': '*' } }
  assert.deepEqual(file(own, environment).registries.proxies, { http: 'http://own:1', https: '', no: '*' })
  assert.throws(() => file({ ...own, 'http-proxy': 'http://other:1' }), {
    message: /http-proxy is set twice/,
  })
})
