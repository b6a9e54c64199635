import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { ApiServer, TlsIdentity } from '../api/index.ts'
import type { Config } from '../engine/index.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { listenFailure } from './listen-failure.ts'
import type { TlsFiles } from './resolve.ts'
import { readIdentity } from './tls-identity.ts'

/** Opens every host of the configuration, or none: throws naming the host that cannot be had. */
export async function listenAll(
  op: Op,
  api: ApiServer,
  o: { config: Config; tls: TlsFiles | undefined },
): Promise<Server[]> {
  const identity = o.tls && (await identityOf(o.tls))
  const servers: Server[] = []
  try {
    for (const host of o.config.hosts) {
      const isUnix = host.startsWith('unix://')
      const server = api.httpServer(isUnix ? undefined : identity)
      if (isUnix) await listenUnix(server, { path: host.slice('unix://'.length), group: o.config.group })
      else
        await listenTcp(op, server, {
          address: host.slice('tcp://'.length),
          encrypted: identity !== undefined,
        })
      servers.push(server)
      op.log.info('listening', { host })
    }
    return servers
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
}

/** Refuses sockets that somebody listens on, before anything is started. */
export async function checkHosts(config: Config): Promise<void> {
  for (const host of config.hosts) {
    const path = host.startsWith('unix://') ? host.slice('unix://'.length) : undefined
    if (path !== undefined && (await answers(path)))
      throw new EngineError('conflict', `Cannot listen on ${path}: another process listens there`)
  }
}

async function listenUnix(server: Server, o: { path: string; group: string }): Promise<void> {
  mkdirSync(dirname(o.path), { recursive: true, mode: 0o755 })
  // Checked at start that nobody listens: what is left of a daemon that was killed.
  rmSync(o.path, { force: true })
  // Between bind and chmod nobody but us may connect.
  const umask = process.umask(0o177)
  try {
    await listen(server, { path: o.path })
  } finally {
    process.umask(umask)
  }
  const gid = await groupId(o.group)
  if (gid !== undefined) chownSync(o.path, 0, gid)
  chmodSync(o.path, 0o660)
}

/** True when somebody accepts connections on the socket. A file that is no socket is never taken away. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect({ path })
    probe.once('connect', () => (probe.destroy(), resolve(true)))
    probe.once('error', (error) => {
      if (hasCode(error, 'ENOENT', 'ECONNREFUSED')) resolve(false)
      else
        reject(new EngineError('conflict', `Cannot listen on ${path}: ${messageOf(error)}`, { cause: error }))
    })
  })
}

async function listenTcp(op: Op, server: Server, o: { address: string; encrypted: boolean }): Promise<void> {
  const colon = o.address.lastIndexOf(':')
  const host = o.address.slice(0, colon).replace(/^\[|\]$/g, '')
  if (!o.encrypted)
    op.log.warn(
      'the API is served without encryption or authentication: whoever reaches this address is root on this host; use --tlsverify',
      { address: o.address },
    )
  await listen(server, { port: Number(o.address.slice(colon + 1)), ...(host === '' ? {} : { host }) })
}

async function listen(
  server: Server,
  where: { path: string } | { port: number; host?: string },
): Promise<void> {
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen({ ...where, backlog: 511 }, listening.resolve)
  try {
    await listening.promise
  } catch (cause) {
    if ('port' in where) throw await listenFailure(cause, { host: '', ...where, name: 'host' })
    throw new EngineError('conflict', `Cannot listen on ${where.path}: ${messageOf(cause)}`, { cause })
  }
  server.removeAllListeners('error')
}

/** A group by name or number; a name that does not exist leaves the socket to root. */
async function groupId(group: string): Promise<number | undefined> {
  if (group === '') return undefined
  const groups = await readFile('/etc/group', 'utf8')
  const line = groups.split('\n').find((entry) => entry.startsWith(`${group}:`))
  const id = line?.split(':')[2]
  if (id !== undefined) return Number(id)
  return /^\d+$/.test(group) ? Number(group) : undefined
}

async function identityOf({ cert, key, ca }: TlsFiles): Promise<TlsIdentity> {
  return await readIdentity({
    cert: { name: 'tlscert', path: cert },
    key: { name: 'tlskey', path: key },
    ca: ca === undefined ? undefined : { name: 'tlscacert', path: ca },
  })
}
