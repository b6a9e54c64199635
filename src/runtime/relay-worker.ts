/**
 * The thread that carries containers' stdio between conmon or exec's pipes and the main thread or the client: it waits in epoll for
 * all sessions at once, frames output as Docker does and keeps back-pressure exact (it reads no more than it could hand on).
 * Commands come as JSON lines on a pipe: this thread is blocked in epoll, so messages between threads would not arrive.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Epoll, EPOLLIN } from '../host/epoll.ts'
import { closeFd } from '../host/socket.ts'
import { readSome } from '../host/transfer.ts'
import { rest, Session, type SessionHost } from './relay-session.ts'
import type { RelayCommand, RelayReport } from './relay.ts'

const epoll = new Epoll()
const sessions = new Map<number, Session>()
const owners = new Map<number, Session>()
/** Sessions whose output is left to gather, and until when, in that order. */
const resting = new Map<Session, number>()

function hostOf(id: number): SessionHost {
  return {
    epoll,
    own: (fd, session) => owners.set(fd, session),
    release(fd) {
      epoll.watch(fd, undefined)
      owners.delete(fd)
      closeFd(fd)
    },
    rest: (session, until) => resting.set(session, until),
    isResting: (session) => resting.has(session),
    moving: (total) => parentPort?.postMessage({ id, total } satisfies RelayReport),
    ended: () => sessions.delete(id),
  }
}

function wakeRested(): void {
  if (resting.size === 0) return
  const now = performance.now()
  for (const [session, until] of resting) {
    if (until > now) break
    resting.delete(session)
    session.wake()
  }
}

/** False when nothing more is to be done. */
function obey(command: RelayCommand): boolean {
  switch (command.op) {
    case 'open':
      sessions.set(command.session.id, new Session(hostOf(command.session.id), command.session))
      return true
    case 'finish':
      sessions.get(command.id)?.finish()
      return true
    case 'move': {
      const session = sessions.get(command.id)
      if (session) session.move(command.connection)
      else closeFd(command.connection)
      return true
    }
    case 'moved':
      sessions.get(command.id)?.moved()
      return true
    case 'stop':
      return false
  }
}

function main(control: number): void {
  let text = ''
  const buffer = Buffer.alloc(64 << 10)
  epoll.watch(control, EPOLLIN)
  for (;;) {
    let hasCommands = false
    epoll.wait(resting.size > 0 ? rest : -1, (fd, events) => {
      if (fd === control) hasCommands = true
      else owners.get(fd)?.handle(fd, events)
    })
    wakeRested()
    // Last of its batch: a new session may have got a number that another one has just given back.
    if (!hasCommands) continue
    const size = readSome(control, buffer, buffer.length)
    if (size === 0 || size === 'failed') return
    if (size === 'empty') continue
    text += buffer.toString('latin1', 0, size)
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    // Written by the main thread, which shares the type.
    for (const line of lines) if (!obey(JSON.parse(line) as RelayCommand)) return
  }
}

try {
  // Given by relay.ts.
  main((workerData as { control: number }).control)
} finally {
  // They belong to the process, not to this thread: processes and readers at their other ends would wait for ever.
  for (const fd of owners.keys()) closeFd(fd)
}
