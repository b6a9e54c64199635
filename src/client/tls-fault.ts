/** What is wrong between two ends of TLS, in Go's words as docker's client has them, and what to look at. */
const faults: readonly (readonly [codes: readonly string[], text: string])[] = [
  [
    [
      'SELF_SIGNED_CERT_IN_CHAIN',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_GET_ISSUER_CERT',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    ],
    "tls: failed to verify certificate: x509: certificate signed by unknown authority; the CA that the daemon's certificate is from goes into --tlscacert, or ca of the context",
  ],
  [
    ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'],
    "tls: failed to verify certificate: x509: certificate has expired or is not yet valid; it is the daemon's",
  ],
  [
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE'],
    'remote error: tls: certificate required; the daemon asks for a client certificate of its CA: --tlscert and --tlskey, or cert and key of the context',
  ],
  [['ERR_OSSL_X509_KEY_VALUES_MISMATCH'], 'tls: private key does not match public key'],
  [
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
    'http: server gave HTTP response to HTTPS client; the daemon serves this address without TLS',
  ],
]

/** Undefined for what is no fault of TLS. */
export function tlsFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `tls: failed to verify certificate: x509: ${error.message}`
  return faults.find(([codes]) => codes.includes(code))?.[1]
}
