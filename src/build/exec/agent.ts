import { chmod, chown } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { OciMount } from '../../runtime/index.ts'
import type { RunMount } from '../graph/works.ts'
import type { SshSource } from '../request.ts'

type Agent = Extract<RunMount, { type: 'ssh' }>

/** The sockets that a step has of agents. Without an agent of that id there is none, as with BuildKit; a required one fails the step. */
export async function prepareAgents(
  op: Op,
  tools: { readonly ssh?: SshSource },
  o: { mounts: readonly RunMount[]; space: { readonly scratch: string }; undo: AsyncDisposableStack },
): Promise<OciMount[]> {
  const { space, undo } = o
  const { ssh } = tools
  const mounts: OciMount[] = []
  for (const [index, mount] of o.mounts.filter((each): each is Agent => each.type === 'ssh').entries()) {
    const { id, uid, gid, mode } = mount
    if (!ssh?.has(id)) {
      if (mount.required) throw new EngineError('not-found', `unset ssh forward key ${id}`)
      continue
    }
    const name = `agent${index}`
    const source = await openAgent(op, { dir: space.scratch, name, ssh, id, undo, uid, gid, mode })
    const options = ['rbind', 'rprivate', 'nosuid', 'nodev', 'noexec']
    mounts.push({ destination: mount.target, type: 'bind', source, options })
  }
  return mounts
}

/**
 * A socket on this host behind which the agent of one id is, until `undo` ends. Each connection to it gets one of its
 * own to the agent.
 */
export async function openAgent(
  op: Op,
  o: {
    /** A directory of the caller's own: its path is short, since those of sockets end after 107 bytes. */
    dir: string
    name: string
    ssh: SshSource
    id: string
    undo: AsyncDisposableStack
    uid?: number
    gid?: number
    mode?: number
  },
): Promise<string> {
  const path = join(o.dir, o.name)
  const open = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', () => {})
    o.ssh.connect(op, o.id).then(
      (agent) => {
        const ended = () => {}
        pipeline(socket, agent, ended)
        pipeline(agent, socket, ended)
        if (socket.destroyed) agent.destroy()
      },
      (error: unknown) => {
        op.log.debug('connecting to an SSH agent failed', { id: o.id, error: messageOf(error) })
        socket.destroy()
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  o.undo.defer(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  await chown(path, o.uid ?? 0, o.gid ?? 0)
  await chmod(path, o.mode ?? 0o600)
  return path
}
