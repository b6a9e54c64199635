import { EngineError, hasCode } from '../../lib/errors.ts'
import type { HostPath } from '../../wire/build.ts'
import { hostPath } from './host-path.ts'

const { chmodSync, mkdtempSync, rmSync, statSync } = process.getBuiltinModule('node:fs')
const { tmpdir } = process.getBuiltinModule('node:os')
const { join, resolve } = process.getBuiltinModule('node:path')

/** Agents of a build; those that were started for it end with it. */
export interface Agents extends Disposable {
  readonly sockets: Readonly<Record<string, HostPath>>
}

/** `--ssh ID[=SOCKET|KEY[,KEY…]]`: without a path the agent of the environment; for keys an agent is started. */
export async function openAgents(flags: readonly string[], env: NodeJS.ProcessEnv): Promise<Agents> {
  const undo = new DisposableStack()
  try {
    const sockets: Record<string, HostPath> = {}
    for (const flag of flags) {
      const equals = flag.indexOf('=')
      const id = equals < 0 ? flag : flag.slice(0, equals)
      const paths = equals < 0 ? [] : flag.slice(equals + 1).split(',')
      if (id === '') throw invalid(`invalid ssh value ${JSON.stringify(flag)}: it has no id`)
      if (sockets[id]) throw invalid(`invalid duplicate ID ${id}`)
      sockets[id] = hostPath(await socketFor(id, paths, { env, undo }))
    }
    return { sockets, [Symbol.dispose]: () => undo.dispose() }
  } catch (error) {
    undo.dispose()
    throw error
  }
}

async function socketFor(
  id: string,
  paths: readonly string[],
  o: { env: NodeJS.ProcessEnv; undo: DisposableStack },
): Promise<string> {
  if (paths.length === 0) {
    const { SSH_AUTH_SOCK: socket = '' } = o.env
    if (socket === '') throw invalid(`invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`)
    return check(socket, 'socket')
  }
  const found = paths.map((path) => resolve(path))
  const sockets = found.filter((path) => kindOf(path) === 'socket')
  if (sockets.length === 0) return await agentWith(found, o)
  if (found.length > 1) throw invalid(`ssh ${id}: only single socket allowed`)
  return found[0] ?? ''
}

function check(path: string, wanted: 'socket'): string {
  if (kindOf(path) !== wanted) throw invalid(`${path} is not a socket`)
  return path
}

function kindOf(path: string): 'socket' | 'file' {
  try {
    const stat = statSync(path)
    if (stat.isSocket()) return 'socket'
    if (stat.isFile()) return 'file'
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'EACCES')) throw cause
    throw new EngineError('invalid', `failed to stat ${path}: no such file or directory`, { cause })
  }
  throw invalid(`${path} is neither a key nor the socket of an agent`)
}

/** An agent of OpenSSH's that has these keys and no others. */
async function agentWith(keys: readonly string[], o: { undo: DisposableStack }): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-ssh-'))
  o.undo.defer(() => rmSync(dir, { recursive: true, force: true }))
  chmodSync(dir, 0o700)
  const socket = join(dir, 'agent')
  const { spawn, spawnSync } = await import('node:child_process')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  o.undo.defer(() => void agent.kill())
  await new Promise<void>((done, fail) => {
    agent.once('error', (cause) =>
      fail(new EngineError('unsupported', '--ssh with keys: `ssh-agent` is not installed', { cause })),
    )
    const wait = (left: number) => {
      if (statSync(socket, { throwIfNoEntry: false })) done()
      else if (left === 0) fail(new EngineError('internal', '--ssh: the agent did not start'))
      else setTimeout(wait, 20, left - 1)
    }
    wait(250)
  })
  for (const key of keys) {
    const env = { ...process.env, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: 'never' }
    const added = spawnSync('ssh-add', ['-q', '--', key], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    })
    if (added.error) throw new EngineError('unsupported', '--ssh with keys: `ssh-add` is not installed')
    if (added.status !== 0)
      throw invalid(
        `failed to parse ${key}: ${added.stderr.trim().split('\n').at(-1) || 'it is no private key, or has a passphrase'}`,
      )
  }
  return socket
}

const invalid = (message: string) => new EngineError('invalid', message)
