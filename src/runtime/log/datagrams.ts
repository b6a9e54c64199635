import { setTimeout as delay } from 'node:timers/promises'
import { closeFd, connectDatagrams } from '../../host/socket.ts'
import { writeSome } from '../../host/transfer.ts'
import { EngineError } from '../../lib/errors.ts'

/** A connection to a unix socket of datagrams. */
export interface Datagrams {
  /** Waits while the receiver's queue is full. Throws when it is gone. */
  send(message: Buffer): Promise<void>
  close(): void
}

/** Throws with the system's code when nobody listens. */
export function openDatagrams(path: string): Datagrams {
  const fd = connectDatagrams(path)
  return {
    async send(message) {
      for (let wait = 1; ; wait = Math.min(100, wait * 2)) {
        const sent = writeSome(fd, message)
        if (sent === 'failed') throw new EngineError('unavailable', `${path} takes no messages any more`)
        if (sent > 0 || message.length === 0) return
        await delay(wait)
      }
    },
    close: () => closeFd(fd),
  }
}
