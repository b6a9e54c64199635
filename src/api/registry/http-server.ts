import type { RequestListener, Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'

// `import 'node:http'` loads undici too, which costs 40 ms at start.
const http = process.getBuiltinModule('node:http')
const https = () => process.getBuiltinModule('node:https')

/** PEM texts; `clientCa` present: clients must show a certificate that it signed. */
export interface RegistryIdentity {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
}

/** The HTTP server of a registry, not listening yet. */
export function registryHttpServer(
  listener: RequestListener,
  o: { tls: RegistryIdentity | undefined; maxConnections: number; clientTimeout: number },
): Server {
  const options = {
    // Uploads may take any time, as long as their bytes come (slow-clients.ts).
    requestTimeout: 0,
    headersTimeout: o.clientTimeout,
    keepAliveTimeout: Math.min(o.clientTimeout, 75_000),
    connectionsCheckingInterval: Math.min(o.clientTimeout / 4, 30_000),
    noDelay: true,
  }
  const server = o.tls
    ? https().createServer({ ...options, ...contextOf(o.tls), handshakeTimeout: o.clientTimeout }, listener)
    : http.createServer(options, listener)
  server.maxConnections = o.maxConnections
  return server
}

/** New connections have the new certificate; open ones go on with theirs. */
export function renewIdentity(server: Server, tls: RegistryIdentity): void {
  // Only servers with an identity are renewed, and those are TLS servers.
  ;(server as TlsServer).setSecureContext(contextOf(tls))
}

function contextOf(tls: RegistryIdentity) {
  return {
    cert: tls.cert,
    key: tls.key,
    minVersion: 'TLSv1.2' as const,
    ...(tls.clientCa !== undefined && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
  }
}
