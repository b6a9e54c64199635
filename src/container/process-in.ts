import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
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
    // Through /proc the container's own mounts are seen, a bind over /etc/passwd included.
    ...(o.User ? { user: resolveUser(`/proc/${pid}/root`, o.User, c.hostConfig.GroupAdd ?? []) } : {}),
  })
}
