import type { SendTar } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Metadata } from './grpc/client.ts'
import { asEngineError, GrpcError } from './grpc/status.ts'
import { BytesMessage } from './proto/session.ts'
import type { Session } from './session.ts'

const diffCopy = '/moby.filesync.v1.FileSend/DiffCopy'
const piece = 256 << 10

/** Sends an archive to the client, which writes it where it was told to. */
export function archiveSender(session: Session, metadata: Metadata): SendTar {
  return async (op, tar) => {
    if (!session.supports(diffCopy)) throw new EngineError('invalid', 'the client does not take files')
    const call = session.client.open(op, diffCopy, {
      request: BytesMessage,
      response: BytesMessage,
      metadata,
    })
    try {
      for await (const chunk of tar as AsyncIterable<Buffer>)
        for (let at = 0; at < chunk.length; at += piece)
          await call.send({ data: chunk.subarray(at, at + piece) })
      call.end()
      for await (const _ of call.messages);
    } catch (error) {
      call.cancel()
      op.signal.throwIfAborted()
      throw error instanceof GrpcError ? asEngineError(error, 'failed to send the archive') : error
    }
  }
}
