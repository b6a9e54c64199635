import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLogConfig, isReadable, limitsOf, syslogOf } from './drivers.ts'
import { syslogHead } from './syslog.ts'

test('checkLogConfig() takes docker’s options of each driver and names what is none', () => {
  checkLogConfig('json-file', {
    'max-size': '10m',
    'max-file': '3',
    labels: 'a,b',
    env: 'X',
    tag: '{{.Name}}',
  })
  checkLogConfig('local', {
    'max-size': '10m',
    compress: 'false',
    mode: 'non-blocking',
    'max-buffer-size': '4m',
  })
  checkLogConfig('syslog', { 'syslog-address': 'tcp+tls://log.example:6514', 'syslog-format': 'rfc5424' })
  checkLogConfig('none', {})
  const refused = (driver: string, options: Record<string, string>, message: RegExp) =>
    assert.throws(() => checkLogConfig(driver, options), { message })
  refused('fluentd', {}, /logging plugin fluentd: plugin "fluentd" not found/)
  refused('json-file', { 'max-sise': '1m' }, /unknown log opt 'max-sise' for json-file log driver/)
  refused('none', { 'max-size': '1m' }, /unknown log opt 'max-size' for none/)
  refused('local', { 'max-size': 'big' }, /invalid s/)
  refused('local', { 'max-size': '0' }, /max-size/)
  refused('local', { 'max-file': '0' }, /max-file/)
  refused('local', { compress: 'true' }, /compress=true is not supported/)
  refused('json-file', { mode: 'fast' }, /logging mode not supported: fast/)
  refused('json-file', { 'max-buffer-size': '1m' }, /only supported with 'mode=non-blocking'/)
  refused('json-file', { 'labels-regex': '(a+)+$' }, /repeated groups/)
  refused('json-file', { 'labels-regex': '[' }, /no regular expression/)
  refused('syslog', { 'syslog-address': 'ftp://x' }, /syslog-address/)
  refused('syslog', { 'syslog-facility': 'nowhere' }, /invalid syslog facility/)
})

test('limitsOf() has docker’s units, and a limit where docker has none', () => {
  assert.deepEqual(limitsOf('local', {}), { maxSize: 20 << 20, maxFiles: 5, discard: false })
  assert.equal(limitsOf('json-file', { 'max-size': '1k' }).maxSize, 1000)
  assert.equal(limitsOf('local', { 'max-size': '1k' }).maxSize, 1024)
  assert.equal(limitsOf('local', { 'max-size': '-1' }).maxSize, Number.MAX_SAFE_INTEGER)
  assert.equal(limitsOf('syslog', { 'cache-max-file': '2' }).maxFiles, 2)
})

test('what nothing is kept of cannot be read', () => {
  assert.equal(isReadable('none', {}), false)
  assert.equal(isReadable('syslog', {}), true)
  assert.equal(isReadable('syslog', { 'cache-disabled': 'true' }), false)
})

test('syslogOf() and syslogHead() speak the formats of docker’s driver', () => {
  const names = { tag: 'web', hostname: 'host' }
  assert.deepEqual(syslogOf({}, names).target, { protocol: 'unixgram', path: '/dev/log' })
  assert.deepEqual(syslogOf({ 'syslog-address': 'udp://10.0.0.1' }, names).target, {
    protocol: 'udp',
    host: '10.0.0.1',
    port: 514,
  })
  const head = (format: string, stream: 1 | 2 = 1) =>
    syslogHead(
      { stream, time: '2026-01-02T03:04:05.123456789Z' },
      syslogOf({ 'syslog-format': format }, names).format,
    )
  const { pid } = process
  assert.match(head(''), new RegExp(`^<30>Jan  2 \\d\\d:\\d\\d:05 web\\[${pid}\\]: $`))
  assert.match(head('rfc3164', 2), new RegExp(`^<27>Jan  2 \\d\\d:\\d\\d:05 host web\\[${pid}\\]: $`))
  assert.equal(head('rfc5424'), `<30>1 2026-01-02T03:04:05Z host web ${pid} web - `)
  assert.equal(head('rfc5424micro'), `<30>1 2026-01-02T03:04:05.123456Z host web ${pid} web - `)
})
