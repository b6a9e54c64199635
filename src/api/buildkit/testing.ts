/** A small BuildKit client for tests: its half of both connections. */
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { silentLogger } from '../../lib/log.ts'
import { background, type Op } from '../../lib/op.ts'
import { fileMode } from '../../wire/go-file-mode.ts'
import { GrpcClient } from './grpc/client.ts'
import { bidirectional, serveGrpc, unary, type Method } from './grpc/server.ts'
import { Code, GrpcError } from './grpc/status.ts'
import * as control from './proto/control.ts'
import { Packet, PacketType } from './proto/fsutil.ts'
import * as gateway from './proto/gateway.ts'
import { BytesMessage, GetSecretRequest, GetSecretResponse } from './proto/session.ts'
import type { Of } from './proto/message.ts'

/** A thing in a directory that the client offers; directories above it are listed by themselves. */
export interface FakeFile {
  readonly data?: string
  readonly mode?: number
  /** Nanoseconds. */
  readonly mtime?: bigint
  /** Target of a symlink. */
  readonly link?: string
}

export interface FakeSession {
  readonly sharedKey?: string
  /** By name of the directory, then by path. */
  readonly directories: Readonly<Record<string, Readonly<Record<string, FakeFile>>>>
  readonly secrets?: Readonly<Record<string, string>>
  /** Listed as they are, before everything else: what no honest client sends. */
  readonly hostile?: readonly { path: string; mode: number; linkname?: string }[]
}

export const quiet: Op = background(silentLogger)

/** Both ends of an upgraded connection of a daemon. */
export function upgrade(
  socketPath: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const call = request({
      socketPath,
      path,
      method: 'POST',
      headers: { connection: 'Upgrade', upgrade: 'h2c', ...headers },
    })
    call.on('upgrade', (_response, socket, head) => {
      // The daemon speaks first.
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    call.on('response', (response) => reject(new Error(`${path}: ${response.statusCode}`)))
    call.on('error', reject)
    call.end()
  })
}

export const newRef = () => randomBytes(16).toString('hex').slice(0, 25)

type Connect = (path: string, headers?: Readonly<Record<string, string>>) => Promise<Duplex>

export class FakeClient {
  readonly #op: Op
  readonly #connect: Connect
  readonly grpc: GrpcClient
  readonly #sockets: Duplex[]
  /** Paths whose content was asked for, in order. */
  readonly asked: string[] = []
  /** What arrived from exporters that send archives. */
  received = Buffer.alloc(0)

  private constructor(op: Op, connect: Connect, socket: Duplex) {
    this.#op = op
    this.#connect = connect
    this.#sockets = [socket]
    this.grpc = new GrpcClient(op, socket)
  }

  static async connect(connect: Connect): Promise<FakeClient> {
    return new FakeClient(quiet, connect, await connect('/grpc'))
  }

  close(): void {
    this.grpc.close()
    this.kill()
  }

  /** As a client that is killed: without a word. */
  kill(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Opens a session; returns its id. */
  async session(o: FakeSession): Promise<string> {
    const id = newRef()
    const methods = this.#methods(o)
    const socket = await this.#connect('/session', {
      'x-docker-expose-session-uuid': id,
      'x-docker-expose-session-name': 'test',
      'x-docker-expose-session-sharedkey': o.sharedKey ?? '',
      'x-docker-expose-session-grpc-method': methods.map(({ path }) => path).join(', '),
    })
    this.#sockets.push(socket)
    serveGrpc(this.#op, socket, methods).catch(() => {})
    return id
  }

  async solve(value: Parameters<typeof control.SolveRequest.encode>[0]): Promise<Record<string, string>> {
    const shapes = { request: control.SolveRequest, response: control.SolveResponse }
    const answer = await this.grpc.unary(this.#op, '/moby.buildkit.v1.Control/Solve', { ...shapes, value })
    return { ...answer.ExporterResponse }
  }

  /** All that is told of a build. */
  async status(ref: string): Promise<Of<typeof control.StatusResponse>[]> {
    const shapes = { request: control.StatusRequest, response: control.StatusResponse }
    const call = this.grpc.open(this.#op, '/moby.buildkit.v1.Control/Status', shapes)
    await call.send({ Ref: ref })
    call.end()
    const updates: Of<typeof control.StatusResponse>[] = []
    for await (const update of call.messages) updates.push(update)
    return updates
  }

  async gateway(ref: string, value: Parameters<typeof gateway.SolveRequest.encode>[0]) {
    const shapes = { request: gateway.SolveRequest, response: gateway.SolveResponse }
    const metadata = { 'buildkit-controlapi-buildid': ref }
    const path = '/moby.buildkit.v1.frontend.LLBBridge/Solve'
    return await this.grpc.unary(this.#op, path, { ...shapes, value, metadata })
  }

  async gatewayReturn(ref: string): Promise<void> {
    const shapes = { request: gateway.ReturnRequest, response: gateway.Empty }
    const metadata = { 'buildkit-controlapi-buildid': ref }
    const path = '/moby.buildkit.v1.frontend.LLBBridge/Return'
    await this.grpc.unary(this.#op, path, { ...shapes, value: {}, metadata })
  }

  #methods(o: FakeSession): Method[] {
    return [
      bidirectional(
        '/moby.filesync.v1.FileSync/DiffCopy',
        { request: Packet, response: Packet },
        async ({ metadata }, call) => {
          const name = String(metadata['dir-name'])
          const files = o.directories[name]
          if (!files) throw new GrpcError(Code.unknown, `no access allowed to dir ${name}`)
          const wanted = listOf(metadata['followpaths'])
          const excluded = new Set(listOf(metadata['exclude-patterns']))
          const listed: string[] = []
          for (const { path, mode, linkname = '' } of o.hostile ?? []) {
            listed.push(path)
            await call.send({ type: PacketType.stat, stat: stat(path, { mode, linkname }) })
          }
          for (const path of treeOf(files, wanted).filter((each) => !excluded.has(each))) {
            listed.push(path)
            await call.send({ type: PacketType.stat, stat: statOf(path, files[path]) })
          }
          await call.send({ type: PacketType.stat })
          for await (const { type, id } of call.messages) {
            if (type === PacketType.error) return
            if (type === PacketType.fin) return await call.send({ type: PacketType.fin })
            const path = listed[id] ?? ''
            this.asked.push(path)
            const data = Buffer.from(files[path]?.data ?? '')
            if (data.length > 0) await call.send({ type: PacketType.data, id, data })
            await call.send({ type: PacketType.data, id })
          }
        },
      ),
      bidirectional(
        '/moby.filesync.v1.FileSend/DiffCopy',
        { request: BytesMessage, response: BytesMessage },
        async (_call, { messages }) => {
          const chunks: Buffer[] = []
          for await (const { data } of messages) chunks.push(Buffer.from(data))
          this.received = Buffer.concat(chunks)
        },
      ),
      unary(
        '/moby.buildkit.secrets.v1.Secrets/GetSecret',
        { request: GetSecretRequest, response: GetSecretResponse },
        (_call, { ID }) => {
          const secret = o.secrets?.[ID]
          if (secret === undefined) throw new GrpcError(Code.notFound, `secret ${ID} not found`)
          return { data: Buffer.from(secret) }
        },
      ),
    ]
  }
}

const listOf = (header: string | string[] | undefined): string[] =>
  header === undefined ? [] : Array.isArray(header) ? header : header.split(', ')

/** Paths with the directories above them, in fsutil's order. */
function treeOf(files: Readonly<Record<string, FakeFile>>, wanted: readonly string[]): string[] {
  const all = new Set<string>()
  for (const path of Object.keys(files)) {
    const isWanted =
      wanted.length === 0 || wanted.some((name) => name === path || path.startsWith(`${name}/`))
    const parts = path.split('/')
    if (isWanted) for (let end = 1; end <= parts.length; end++) all.add(parts.slice(0, end).join('/'))
  }
  const order = (path: string) => path.replaceAll('/', '\0')
  return [...all].sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

function statOf(path: string, file: FakeFile | undefined) {
  if (!file) return stat(path, { mode: fileMode('directory', 0o755) })
  if (file.link !== undefined) return stat(path, { mode: fileMode('symlink', 0o777), linkname: file.link })
  const size = BigInt(Buffer.byteLength(file.data ?? ''))
  const mtime = file.mtime ?? 1_700_000_000_000_000_001n
  return stat(path, { mode: fileMode('file', file.mode ?? 0o644), size, modTime: mtime })
}

const stat = (path: string, o: { mode: number; size?: bigint; linkname?: string; modTime?: bigint }) => ({
  path,
  modTime: 1_700_000_000_000_000_001n,
  ...o,
})
