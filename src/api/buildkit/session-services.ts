import { Readable } from 'node:stream'
import type { AuthSource, SecretSource, SshSource } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { byteStream } from './grpc/byte-stream.ts'
import type { ClientCall } from './grpc/client.ts'
import { asEngineError, Code, GrpcError } from './grpc/status.ts'
import type { Of } from './proto/message.ts'
import {
  BytesMessage,
  CheckAgentRequest,
  CheckAgentResponse,
  CredentialsRequest,
  CredentialsResponse,
  GetSecretRequest,
  GetSecretResponse,
} from './proto/session.ts'
import type { Session } from './session.ts'

const getSecret = '/moby.buildkit.secrets.v1.Secrets/GetSecret'
const checkAgent = '/moby.sshforward.v1.SSH/CheckAgent'
export const forwardAgent = '/moby.sshforward.v1.SSH/ForwardAgent'
const credentials = '/moby.filesync.v1.Auth/Credentials'
const pull = '/moby.upload.v1.Upload/Pull'

type BytesCall = ClientCall<{ data: Uint8Array }, Of<typeof BytesMessage>>

/** Secrets that the client holds. */
export function secretsOf(session: Session): SecretSource {
  return {
    get: async (op, id) => {
      if (!session.supports(getSecret)) return undefined
      try {
        const shapes = { request: GetSecretRequest, response: GetSecretResponse }
        return (await session.client.unary(op, getSecret, { ...shapes, value: { ID: id } })).data
      } catch (error) {
        if (error instanceof GrpcError && error.code === Code.notFound) return undefined
        throw error instanceof GrpcError ? asEngineError(error, `secret ${id}`) : error
      }
    },
  }
}

/** Agents that the client forwards. */
export function sshOf(session: Session): SshSource {
  return {
    has: () => session.supports(forwardAgent),
    connect: async (op, id) => {
      const metadata = { 'buildkit.ssh.id': id }
      try {
        const shapes = { request: CheckAgentRequest, response: CheckAgentResponse }
        await session.client.unary(op, checkAgent, { ...shapes, value: { ID: id } })
      } catch (error) {
        throw error instanceof GrpcError ? asEngineError(error, `ssh agent ${id}`) : error
      }
      const shapes = { request: BytesMessage, response: BytesMessage }
      return byteStream(session.client.open(op, forwardAgent, { ...shapes, metadata }))
    },
  }
}

/** What the client knows of registries. */
export function authOf(session: Session): AuthSource {
  return {
    of: async (op, host) => {
      if (!session.supports(credentials)) return undefined
      // BuildKit: Docker Hub goes by the name of its server.
      const value = { Host: host === 'docker.io' ? 'registry-1.docker.io' : host }
      try {
        const shapes = { request: CredentialsRequest, response: CredentialsResponse }
        const { Username, Secret } = await session.client.unary(op, credentials, { ...shapes, value })
        if (Username === '' && Secret === '') return undefined
        // BuildKit: a secret without a name is an identity token.
        return Username === '' ? { identitytoken: Secret } : { username: Username, password: Secret }
      } catch (error) {
        throw error instanceof GrpcError ? asEngineError(error, `credentials for ${host}`) : error
      }
    },
  }
}

/** What the client reads from its stdin, by the URL that it gave it. */
export function uploadOf(op: Op, session: Session, url: URL): Readable {
  if (!session.supports(pull))
    throw new EngineError('invalid', 'the client does not offer the build context that it names')
  const metadata = { urlpath: url.pathname, urlhost: url.host }
  const call = session.client.open(op, pull, { request: BytesMessage, response: BytesMessage, metadata })
  call.end()
  return Readable.from(dataOf(call), { objectMode: false })
}

async function* dataOf(call: BytesCall): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { data } of call.messages) if (data.length > 0) yield data
}
