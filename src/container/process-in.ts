import { readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import { execProcess, resolveUser, type OciProcess, type OciSpec } from '../runtime/index.ts'
import type { ExecConfig } from '../wire/container.ts'
import type { Container } from './container.ts'

/** A process beside the container's own: like that, with what is asked for changed. */
export async function processIn(
  c: Container,
  o: Pick<ExecConfig, 'Env' | 'Tty' | 'Privileged' | 'WorkingDir' | 'User'> & { Cmd: readonly string[] },
): Promise<OciProcess> {
  // Written by us when the container started, in a directory that only root can write.
  const spec = JSON.parse(await readFile(join(c.bundle, 'config.json'), 'utf8')) as OciSpec
  const pid = c.state.status === 'running' ? c.state.pid : 0
  return execProcess(spec, {
    args: [...o.Cmd],
    env: o.Env ?? [],
    tty: o.Tty === true,
    privileged: o.Privileged === true,
    ...(o.WorkingDir ? { cwd: o.WorkingDir } : {}),
    ...(o.User ? { user: userIn(c, o.User, pid) } : {}),
  })
}

function userIn(c: Container, user: string, pid: number): ReturnType<typeof resolveUser> {
  // Through /proc the container's own mounts are seen, a bind over /etc/passwd included.
  const root = `/proc/${pid}/root`
  try {
    return resolveUser(root, user, c.hostConfig.GroupAdd ?? [])
  } catch (error) {
    // It has ended, and its end is not known here yet.
    if (!existsSync(root)) throw new EngineError('conflict', `container ${c.id} is not running`)
    throw error
  }
}
