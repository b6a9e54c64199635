/** Attaching to a container's stdio, over an upgraded connection or a WebSocket. */
import type { Engine } from '../../engine/index.ts'
import { kindOf } from '../../lib/errors.ts'
import { parseDetachKeys } from './detach-keys.ts'
import { multiplexedStream, rawStream, relay } from './hijack.ts'
import type { HijackCall, HijackedConnection, Route, WebsocketCall } from './route.ts'

type Deps = Pick<Engine, 'containers'>

export function attachRoutes(engine: Deps): Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/:id/attach',
      hijack: (call) => attach(engine, call, ({ tty }) => call.accept(contentType(call, { tty }))),
    },
    {
      method: 'GET',
      path: '/containers/:id/attach/ws',
      websocket: (call) => attach(engine, call, ({ tty }) => call.accept({ framed: !tty })),
    },
  ]
}

async function attach(
  engine: Deps,
  call: HijackCall | WebsocketCall,
  accept: (o: { tty: boolean }) => HijackedConnection | Promise<HijackedConnection>,
): Promise<void> {
  const { query } = call
  const ref = call.params['id'] ?? ''
  const c = engine.containers.find(ref)
  const detachKeys = parseDetachKeys(query.text('detachKeys'))
  const stdin = query.flag('stdin') && query.flag('stream') && c.config.OpenStdin === true
  const { tty, stream: pending } = engine.containers.attach(call.op, c.id, {
    stdin,
    stdout: query.flag('stdout'),
    stderr: query.flag('stderr'),
    stream: query.flag('stream'),
    logs: query.flag('logs'),
  })
  const connection = await accept({ tty })
  try {
    const stream = await pending
    await relay(call.op, connection, stream, {
      // Docker: only a container that closes its stdin after one client sees the end of it; a terminal never does.
      inputEnd: !stdin ? 'ignore' : !tty && c.config.StdinOnce === true ? 'close-stdin' : 'detach',
      detachKeys: tty ? detachKeys : undefined,
    })
  } catch (error) {
    // A start that failed is told to whoever started it; the attached client only sees the end.
    if (kindOf(error) !== 'conflict') throw error
    connection.close()
  }
}

/** Docker: before 1.42 there was one content type for both. */
export function contentType(call: HijackCall, o: { tty: boolean }): string {
  return !o.tty && call.minor >= 42 && call.request.headers.upgrade !== undefined
    ? multiplexedStream
    : rawStream
}
