import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { claimLeftoverControllers, releaseControllers, removeTree } from '../host/cgroup.ts'
import { run } from '../host/spawn.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { buildSpec } from './spec.ts'

export interface Program {
  /** `crun`, `runc` or what the file is called. */
  readonly name: string
  readonly path: string
  readonly version: string
}

const searchPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const packageOf: Record<string, string> = { crun: 'crun', runc: 'runc', conmon: 'conmon' }

/**
 * Finds the OCI runtime by running it: crun, else runc, unless one is named. A version that refuses this host (crun
 * 1.8 and newer on hybrid cgroups) is passed over. Throws kind `unsupported`, naming the package to install.
 */
export async function probeRuntime(
  op: Op,
  o: { name?: string; path?: string; stateDir: string },
): Promise<Program> {
  const candidates = o.path
    ? [{ name: o.name ?? basename(o.path), path: o.path }]
    : (o.name ? [o.name] : ['crun', 'runc']).flatMap((name) => {
        const path = find(name)
        return path === undefined ? [] : [{ name, path }]
      })
  if (candidates.length === 0) throw missing(o.name ?? 'crun')
  const refusals: string[] = []
  for (const { name, path } of candidates) {
    const version = await versionOf(op, path)
    const refusal = await tryOut(op, { name, path, stateDir: o.stateDir })
    if (refusal === undefined) {
      for (const reason of refusals) op.log.warn('another runtime does not work on this host', { reason })
      return { name, path, version }
    }
    refusals.push(`${name}: ${refusal}`)
  }
  throw new EngineError('unsupported', `no OCI runtime works on this host: ${refusals.join('; ')}`)
}

export async function probeConmon(op: Op): Promise<Program> {
  const path = find('conmon')
  if (path === undefined) throw missing('conmon')
  return { name: 'conmon', path, version: await versionOf(op, path) }
}

/** Those that are in the usual places, by their names. */
export function installedRuntimes(): [name: string, path: string][] {
  return ['crun', 'runc'].flatMap((name) => {
    const path = find(name)
    if (path === undefined) return []
    // Docker's other name for it, which some clients say.
    return name === 'runc'
      ? [
          [name, path],
          ['io.containerd.runc.v2', path],
        ]
      : [[name, path]]
  })
}

/** Why the runtime cannot make a container here; undefined when it can. */
async function tryOut(
  op: Op,
  o: { name: string; path: string; stateDir: string },
): Promise<string | undefined> {
  const claims = join(o.stateDir, 'cgroup')
  // crun refuses a hybrid host with controllers in version 2, used or not.
  const claimed = o.name === 'crun' ? claimLeftoverControllers(claims) : []
  const refusal = await runNothing(op, o)
  if (refusal !== undefined) releaseControllers(claims)
  else if (claimed.length > 0)
    op.log.info('holding unused cgroup controllers in version 1', { controllers: claimed })
  return refusal
}

/**
 * Runs a command that does not exist: the runtime has set up namespaces, mounts, cgroups and the filter by the time it says so, and
 * any other complaint tells what does not work.
 */
async function runNothing(
  op: Op,
  o: { name: string; path: string; stateDir: string },
): Promise<string | undefined> {
  const directory = join(o.stateDir, 'probe')
  const cgroupsPath = `/gantry-probe-${process.pid}`
  const rootfs = join(directory, 'rootfs')
  mkdirSync(rootfs, { recursive: true, mode: 0o700 })
  try {
    const spec = buildSpec({
      args: ['/gantry-probe'],
      env: ['PATH=/bin'],
      cwd: '/',
      user: { uid: 0, gid: 0, additionalGids: [], home: '/', name: 'root' },
      tty: false,
      hostname: 'probe',
      rootfs,
      readonlyRootfs: false,
      mounts: [],
      namespaces: { network: 'private', pid: 'private', ipc: 'private', uts: 'private', cgroup: 'private' },
      hostConfig: {},
      cgroupsPath,
      init: false,
      kind: 'build-step',
    })
    writeFileSync(join(directory, 'config.json'), JSON.stringify(spec))
    const { code, stderr } = await run(
      op,
      [o.path, '--root', join(directory, 'state'), 'run', '--bundle', directory, `probe-${process.pid}`],
      { okCodes: Array.from({ length: 256 }, (_, code) => code) },
    )
    if (/gantry-probe.*(not found|no such file)/i.test(stderr)) return undefined
    return stderr.trim().split('\n').at(-1) || `exit code ${code}`
  } finally {
    await removeTree(cgroupsPath)
    rmSync(directory, { recursive: true, force: true })
  }
}

async function versionOf(op: Op, path: string): Promise<string> {
  const { stdout } = await run(op, [path, '--version'])
  return /version:? ([^\s]+)/.exec(stdout)?.[1] ?? 'unknown'
}

function find(name: string): string | undefined {
  const directories = [...new Set([...(process.env['PATH'] ?? '').split(':'), ...searchPath])].filter((d) =>
    d.startsWith('/'),
  )
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch (error) {
    if (hasCode(error, 'EACCES')) return false
    throw error
  }
}

function missing(name: string): EngineError {
  const hint = packageOf[name] ? `: install the package ${packageOf[name]}` : ''
  return new EngineError('unsupported', `${name} is not installed${hint}`)
}
