/** The thread that answers the names of all containers: no look-up waits for the daemon's other work. */
import { statSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { openFilesLimit } from '../../host/proc.ts'
import { hasCode, messageOf } from '../../lib/errors.ts'
import type { Attachment, DnsCommand, DnsReply } from './dns.ts'
import { Names } from './names.ts'
import { Resolver, type Load } from './resolver.ts'
import { resolverAddress, Server } from './server.ts'
import { Upstream } from './upstream.ts'

const names = new Names()
const sandboxes = new Map<string, Sandbox>()
/** Servers that are asked from the host's namespace are the same for all. */
const hostUpstreams = new Map<string, Upstream>()

const load: Load = { forwarded: 0, limit: Math.floor(openFilesLimit() / 8) }

interface Sandbox {
  /** Its namespace and its servers. */
  readonly place: string
  readonly resolver: Resolver
  readonly server: Server
  /** Asked from the sandbox's namespace. */
  readonly upstreams: readonly Upstream[]
}

try {
  // Of this thread alone (Linux): look-ups are short and somebody waits for each, however busy the host is.
  setPriority(-5)
} catch (error) {
  // Not allowed: it works at the usual priority, too.
  if (!hasCode(error, 'ERR_SYSTEM_ERROR')) throw error
}

parentPort?.on('message', (command: DnsCommand) => {
  const reply = answer(command)
  if (reply) parentPort?.postMessage(reply)
})

function answer(command: DnsCommand): DnsReply | undefined {
  switch (command.kind) {
    case 'attach':
      try {
        attach(command.sandbox, command.attachment)
        return { id: command.id }
      } catch (error) {
        // Most of all: the namespace has gone meanwhile. The others are answered on.
        return { id: command.id, error: messageOf(error) }
      }
    case 'update':
      sandboxes.get(command.sandbox)?.resolver.update(command.change)
      return undefined
    case 'detach':
      detach(command.sandbox)
      return { id: command.id }
    case 'register':
      names.register(command.network, command.registration)
      return undefined
    case 'unregister':
      names.unregister(command.network, command.endpoint)
      return undefined
  }
}

function attach(sandbox: string, o: Attachment): void {
  const { ino } = statSync(o.netnsPath)
  const place = JSON.stringify([o.netnsPath, ino, o.upstreams])
  const known = sandboxes.get(sandbox)
  // Nothing but its networks changed: queries under way go on, and what is known of the servers stays known.
  if (known?.place === place) return known.resolver.update(o)
  detach(sandbox)
  const own: Upstream[] = []
  const upstreams = o.upstreams.flatMap((server): Upstream[] => {
    const ofHost = /^host\((.*)\)$/.exec(server)?.[1]
    if (ofHost !== undefined) return [hostUpstream(ofHost)]
    // To ask ourselves would never end.
    if (server === resolverAddress) return []
    const upstream = new Upstream({ address: server, netnsPath: o.netnsPath })
    own.push(upstream)
    return [upstream]
  })
  const resolver = new Resolver({ names, upstreams, view: o, load })
  const server = new Server(o.netnsPath, {
    port: o.port,
    answer: (query, stream) => resolver.answer(query, stream),
  })
  sandboxes.set(sandbox, { place, resolver, server, upstreams: own })
}

function detach(id: string): void {
  const sandbox = sandboxes.get(id)
  sandboxes.delete(id)
  sandbox?.server.close()
  for (const upstream of sandbox?.upstreams ?? []) upstream.close()
}

function hostUpstream(address: string): Upstream {
  const known = hostUpstreams.get(address)
  if (known) return known
  const upstream = new Upstream({ address })
  hostUpstreams.set(address, upstream)
  return upstream
}
