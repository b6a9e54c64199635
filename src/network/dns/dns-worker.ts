/** The thread that answers the names of all containers: no look-up waits for the daemon's other work. */
import { parentPort } from 'node:worker_threads'
import { SyscallError } from '../../host/libc.ts'
import type { Attachment, DnsCommand, DnsReply } from './dns.ts'
import { Names } from './names.ts'
import { Resolver } from './resolver.ts'
import { Server } from './server.ts'
import { Upstream } from './upstream.ts'

const names = new Names()
const sandboxes = new Map<string, { readonly resolver: Resolver; readonly server: Server }>()
/** Servers that are asked from the host's namespace are the same for all. */
const hostUpstreams = new Map<string, Upstream>()

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
        if (!(error instanceof SyscallError)) throw error
        const { syscall, errno, message } = error
        return { id: command.id, error: { syscall, errno, message } }
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
  detach(sandbox)
  const upstreams = o.upstreams.flatMap((server) => upstream(server, o.netnsPath) ?? [])
  const resolver = new Resolver({ names, upstreams, view: o })
  const server = new Server(o.netnsPath, {
    port: o.port,
    answer: (query, stream) => resolver.answer(query, stream),
  })
  sandboxes.set(sandbox, { resolver, server })
}

function detach(sandbox: string): void {
  sandboxes.get(sandbox)?.server.close()
  sandboxes.delete(sandbox)
}

/** Docker's way to write it: `host(127.0.0.53)` is asked from the host's namespace. */
function upstream(server: string, netnsPath: string): Upstream | undefined {
  const address = /^host\((.*)\)$/.exec(server)?.[1]
  if (address === undefined) return new Upstream({ address: server, netnsPath })
  let shared = hostUpstreams.get(address)
  if (!shared) hostUpstreams.set(address, (shared = new Upstream({ address })))
  return shared
}
