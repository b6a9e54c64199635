import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { controlMethods } from './control.ts'
import { byteStream } from './grpc/byte-stream.ts'
import { GrpcClient } from './grpc/client.ts'
import { serveGrpc, unary } from './grpc/server.ts'
import { Code, GrpcError } from './grpc/status.ts'
import { BytesMessage, ListWorkersRequest, ListWorkersResponse } from './proto/control.ts'
import { GetSecretRequest, GetSecretResponse } from './proto/session.ts'
import { secretsOf } from './session-services.ts'
import { Sessions } from './session.ts'
import type { Solves } from './solves.ts'
import { quiet } from './testing.ts'
import { workerRecord } from './worker.ts'

const getSecret = '/moby.buildkit.secrets.v1.Secrets/GetSecret'

/** A daemon that knows sessions, and its caller. */
function daemon() {
  const [ours, theirs] = duplexPair()
  const sessions = new Sessions()
  const worker = () => workerRecord('192.0.2.1')
  // Nothing here is built.
  const served = serveGrpc(quiet, ours, controlMethods({ sessions, solves: {} as Solves, worker }))
  return { sessions, served, client: new GrpcClient(quiet, theirs) }
}

test('a session inside of a call gives secrets, and ends with it', async () => {
  const { sessions, served, client } = daemon()
  const call = client.open(quiet, '/moby.buildkit.v1.Control/Session', {
    request: BytesMessage,
    response: BytesMessage,
    metadata: { 'x-docker-expose-session-uuid': 's1', 'x-docker-expose-session-grpc-method': getSecret },
  })
  const tunnel = byteStream(call)
  tunnel.on('error', () => {})
  const offered = serveGrpc(quiet, tunnel, [
    unary(getSecret, { request: GetSecretRequest, response: GetSecretResponse }, (_call, { ID }) => {
      if (ID !== 'known') throw new GrpcError(Code.notFound, 'no such secret')
      return { data: Buffer.from('x'.repeat(100_000)) }
    }),
  ])
  const session = await sessions.get(quiet, 's1')
  const secrets = secretsOf(session)
  assert.equal((await secrets.get(quiet, 'known'))?.length, 100_000)
  assert.equal(await secrets.get(quiet, 'unknown'), undefined)
  assert.equal(session.supports('/moby.sshforward.v1.SSH/ForwardAgent'), false)
  client.close()
  await Promise.all([served, offered, session.client.closed])
  await assert.rejects(secrets.get(quiet, 'known'), { kind: 'unavailable' })
})

test('methods that are not there are told apart from calls that fail', async () => {
  const { served, client } = daemon()
  const shapes = { request: ListWorkersRequest, response: ListWorkersResponse }
  await assert.rejects(client.unary(quiet, '/x.Y/Z', { ...shapes, value: {} }), { code: Code.unimplemented })
  const path = '/moby.buildkit.v1.Control/ListWorkers'
  await assert.rejects(client.unary(quiet, path, { ...shapes, value: { filter: ['id==1'] } }), {
    code: Code.unknown,
    message: 'filters of workers are not supported',
  })
  const { record } = await client.unary(quiet, path, { ...shapes, value: {} })
  assert.equal(record[0]?.Labels['org.mobyproject.buildkit.worker.moby.host-gateway-ip'], '192.0.2.1')
  client.close()
  await served
})
