import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tlsFault } from './tls-fault.ts'

test('tlsFault() says what docker says of the same fault, and nothing of others', () => {
  const fault = (code: string, message = '') => tlsFault(Object.assign(new Error(message), { code })) ?? ''
  assert.match(
    fault('SELF_SIGNED_CERT_IN_CHAIN'),
    /^tls: failed to verify certificate: x509: certificate signed by/,
  )
  assert.match(fault('CERT_HAS_EXPIRED'), /x509: certificate has expired or is not yet valid/)
  assert.match(fault('ERR_TLS_CERT_ALTNAME_INVALID', 'not for far'), /x509: not for far$/)
  assert.match(fault('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'), /^remote error: tls: certificate required/)
  assert.equal(tlsFault(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), undefined)
  assert.equal(tlsFault('x'), undefined)
})
