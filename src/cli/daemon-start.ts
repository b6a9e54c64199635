/** Without a daemon, and where the caller may, one is started in the background. */
import { parseHost } from '../client/index.ts'
import { hasCode } from '../lib/errors.ts'
import { writeText } from './text.ts'

const { spawn } = process.getBuiltinModule('node:child_process')
const { closeSync, mkdirSync, openSync } = process.getBuiltinModule('node:fs')
const { connect } = process.getBuiltinModule('node:net')
const { setTimeout: sleep } = process.getBuiltinModule('node:timers/promises')
const { fileURLToPath } = process.getBuiltinModule('node:url')

const patience = 15_000

/** True when a daemon answers at the host; false when it did not come up (said on standard error). */
export async function startDaemon(hostText: string): Promise<boolean> {
  const host = parseHost(hostText)
  if (host.kind !== 'unix') return false
  const log = openLog()
  // The daemon is to outlive us and to find its own compile cache: ours may be given relative to where we are.
  const { NODE_COMPILE_CACHE: _, ...environment } = process.env
  const child = spawn(fileURLToPath(new URL('../../bin/gantryd', import.meta.url)), [], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    cwd: '/',
    env: environment,
  })
  closeSync(log.fd)
  let exited: string | undefined
  child.on('error', (error) => (exited = error.message))
  child.on('exit', (code, signal) => (exited = `it ended with ${signal ?? `exit code ${code}`}`))
  const deadline = Date.now() + patience
  while (Date.now() < deadline && exited === undefined) {
    if (await answers(host.path)) {
      child.unref()
      writeText(2, `gantry: started gantryd in the background (log: ${log.path})\n`)
      return true
    }
    await sleep(10)
  }
  // Another command may have started one at the same moment: ours then ends, and theirs is the one.
  if (await answers(host.path)) return true
  writeText(
    2,
    `gantry: could not start gantryd: ${exited ?? `no answer within ${patience / 1000} s`}; see ${log.path}\n`,
  )
  return false
}

function openLog(): { fd: number; path: string } {
  const path = '/var/log/gantryd.log'
  try {
    return { fd: openSync(path, 'a', 0o600), path }
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'EROFS')) throw error
    mkdirSync('/run/gantry', { recursive: true, mode: 0o711 })
    return { fd: openSync('/run/gantry/gantryd.log', 'a', 0o600), path: '/run/gantry/gantryd.log' }
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
