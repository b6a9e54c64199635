import { isIP } from 'node:net'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'

/** Why a server cannot listen: of a port in use, with the process that holds it. `name` is the flag that asked for it. */
export async function listenFailure(
  cause: unknown,
  where: { host: string; port: number; name: string },
): Promise<EngineError> {
  const { host, port, name } = where
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const why = hasCode(cause, 'EADDRINUSE')
    ? `the port is in use${await holderOf(host, port)}`
    : hasCode(cause, 'EADDRNOTAVAIL')
      ? 'this host has no such address'
      : hasCode(cause, 'EACCES')
        ? 'ports below 1024 take root, or CAP_NET_BIND_SERVICE'
        : messageOf(cause)
  return new EngineError('conflict', `Cannot listen on ${address} (--${name}): ${why}`, { cause })
}

async function holderOf(host: string, port: number): Promise<string> {
  const ip = host === '' ? '0.0.0.0' : host
  if (isIP(ip) === 0) return ''
  // Loaded only to tell.
  const { portOwner } = await import('../host/port-owner.ts')
  const owner = portOwner('tcp', ip, port)
  return owner ? ` by process ${owner.pid} (${owner.name}), which runs as ${owner.user}` : ''
}
