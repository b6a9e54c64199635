import { stat } from 'node:fs/promises'
import net from 'node:net'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import type { BuildRequest, ContextRequest, SshSource } from '../../build/index.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import type { BuildQuery, HostPath, NamedContextQuery } from '../../wire/build.ts'
import type { BodyParts } from './body-parts.ts'
import { callerOf } from './caller.ts'
import type { Call } from './route.ts'

const number = z.string().regex(/^\d+$/)
const hostPath = { path: z.string(), dev: number, ino: number }
export const hostPathShape: z.ZodType<HostPath> = z.strictObject(hostPath)

export const namedContextShape: z.ZodType<NamedContextQuery> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('directory'), ...hostPath }),
  z.strictObject({ kind: z.literal('sent'), index: z.int().min(0) }),
  z.strictObject({ kind: z.literal('remote'), url: z.string() }),
  z.strictObject({ kind: z.literal('image'), reference: z.string() }),
  z.strictObject({
    kind: z.literal('oci-layout'),
    ...hostPath,
    tag: z.string().exactOptional(),
    digest: z.string().exactOptional(),
  }),
])

/** Where the build's own files come from: a directory that both sides see, an URL, nowhere, or the body. */
export async function contextOf(
  call: Call,
  { context, remote, empty }: Pick<BuildQuery, 'context' | 'remote' | 'empty'>,
): Promise<BuildRequest['context']> {
  if ([context, remote, empty].filter((each) => each !== undefined && each !== false).length > 1)
    throw new EngineError('invalid', 'a build has one context: a directory, an URL or none')
  if (context) {
    await checkDirectory(call, context, 'build context')
    return { kind: 'directory', path: context.path }
  }
  if (remote !== undefined) return { kind: 'remote', url: remote }
  return empty === true ? { kind: 'empty' } : { kind: 'tar', stream: call.request }
}

/** Those that are sent come in the order of their numbers, and are read in that order. */
export async function namedContextsOf(
  call: Call,
  contexts: Readonly<Record<string, NamedContextQuery>>,
  body: BodyParts,
): Promise<Record<string, ContextRequest>> {
  const index = (context: NamedContextQuery) => (context.kind === 'sent' ? context.index : -1)
  const entries = Object.entries(contexts).toSorted(([, a], [, b]) => index(a) - index(b))
  let next = 0
  const found: [string, ContextRequest][] = []
  for (const [name, context] of entries) {
    if (context.kind === 'sent' && context.index !== next++)
      throw new EngineError('invalid', `build context ${name}: its number is not the next one`)
    found.push([name, await namedContext(call, { name, context, body })])
  }
  return Object.fromEntries(found)
}

async function namedContext(
  call: Call,
  o: { name: string; context: NamedContextQuery; body: BodyParts },
): Promise<ContextRequest> {
  const { context } = o
  switch (context.kind) {
    case 'directory':
      await checkDirectory(call, context, `build context ${o.name}`)
      return { kind: 'directory', path: context.path }
    case 'oci-layout': {
      await checkDirectory(call, context, `build context ${o.name}`)
      const { dev: _dev, ino: _ino, ...rest } = context
      return rest
    }
    case 'sent':
      return { kind: 'tar', stream: o.body.part(`the files of build context ${o.name}`) }
    case 'remote':
    case 'image':
      return context
  }
}

/**
 * The daemon reads as root: only for a caller that is root too, and only when both mean the same directory (a client
 * in a container, or behind a forwarded socket, sees other files). Throws kind `forbidden` or `invalid`; the client sends a tar then.
 */
export async function checkDirectory(call: Call, directory: HostPath, what: string): Promise<void> {
  if (!isAbsolute(directory.path))
    throw new EngineError('invalid', `${what} ${directory.path}: want an absolute path`)
  // Where we cannot know who asks, it is refused.
  if (callerOf(call)?.uid !== 0)
    throw new EngineError(
      'forbidden',
      'build contexts are read in place only for root on this host: send a tar',
    )
  if ((await ownerOf(directory)) === undefined)
    throw new EngineError('invalid', `${what} ${directory.path} is another directory here: send a tar`)
}

/** Agents of the caller: sockets that it could connect to itself. Throws kind `forbidden` or `invalid`. */
export async function agentsOf(call: Call, sockets: Readonly<Record<string, HostPath>>): Promise<SshSource> {
  const uid = callerOf(call)?.uid
  const paths = new Map<string, string>()
  for (const [id, socket] of Object.entries(sockets)) {
    if (!isAbsolute(socket.path)) throw new EngineError('invalid', `ssh agent ${id}: want an absolute path`)
    const owner = await ownerOf(socket)
    if (owner === undefined)
      throw new EngineError(
        'invalid',
        `ssh agent ${id}: ${socket.path} is not the same socket on the daemon's host`,
      )
    if (uid === undefined || (uid !== 0 && uid !== owner))
      throw new EngineError('forbidden', `ssh agent ${id}: ${socket.path} belongs to another user`)
    paths.set(id, socket.path)
  }
  return {
    has: (id) => paths.has(id),
    connect: (op, id) => connect(op.signal, paths.get(id) ?? ''),
  }
}

function connect(signal: AbortSignal, path: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path, allowHalfOpen: true, signal })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/** Who owns what is there; undefined when it is not the same thing as the client sees. */
async function ownerOf(place: HostPath): Promise<number | undefined> {
  try {
    const { dev, ino, uid } = await stat(place.path, { bigint: true })
    return String(dev) === place.dev && String(ino) === place.ino ? Number(uid) : undefined
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw cause
    return undefined
  }
}
