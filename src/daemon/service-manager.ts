import { notify } from '../host/notify.ts'
import type { Logger } from '../lib/log.ts'

/**
 * Where systemd wants to be told. Taken out of the environment, as sd_notify(3) can do: crun would pass it on to
 * containers, and wait for them to use it.
 */
const managerSocket = process.env['NOTIFY_SOCKET'] ?? ''
delete process.env['NOTIFY_SOCKET']

/** Tells systemd, where it started us, of a change: `READY=1`, `STOPPING=1`. */
export function tellManager(log: Logger, state: string): void {
  if (managerSocket === '') return
  try {
    notify(managerSocket, state)
  } catch (error) {
    log.warn('the service manager could not be told', { state, error })
  }
}
