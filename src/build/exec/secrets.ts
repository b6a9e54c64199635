import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MNT_DETACH, mount, MS_NODEV, MS_NOSUID, unmount } from '../../host/mount.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { OciMount } from '../../runtime/index.ts'
import type { RunMount } from '../graph/works.ts'
import type { Tools } from './tools.ts'
import type { StepSpace } from './workspace.ts'

type Secret = Extract<RunMount, { type: 'secret' }>

export interface StepSecrets {
  readonly mounts: readonly OciMount[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  /** Where the runtime's files of this step go: values of variables are in them. */
  readonly bundle: string
}

/** Secrets are given to a step from memory: no disk has them, and they go with the step. */
export async function prepareSecrets(
  op: Op,
  tools: Pick<Tools, 'secrets'>,
  o: { mounts: readonly RunMount[]; space: Pick<StepSpace, 'scratch'>; undo: AsyncDisposableStack },
): Promise<StepSecrets> {
  const secrets = o.mounts.filter((each) => each.type === 'secret')
  if (secrets.length === 0) return { mounts: [], env: [], bundle: o.space.scratch }
  const dir = join(o.space.scratch, 'secret')
  mkdirSync(dir, { mode: 0o700 })
  o.undo.defer(() => unmount(dir, MNT_DETACH))
  mount({ source: 'tmpfs', target: dir, type: 'tmpfs', flags: MS_NOSUID | MS_NODEV, data: 'mode=0700' })
  const bundle = join(dir, 'bundle')
  mkdirSync(bundle, { mode: 0o700 })
  const mounts: OciMount[] = []
  const env: string[] = []
  for (const [index, secret] of secrets.entries()) {
    const value = await valueOf(op, tools, secret)
    if (!value) continue
    if (secret.env !== undefined) env.push(`${secret.env}=${textOf(secret, value)}`)
    if (secret.target === undefined) continue
    const source = join(dir, String(index))
    writeFileSync(source, value, { mode: 0o600 })
    chownSync(source, secret.uid, secret.gid)
    chmodSync(source, secret.mode & 0o7777)
    const options = ['rbind', 'rprivate', 'ro', 'nosuid', 'nodev', 'noexec']
    mounts.push({ destination: secret.target, type: 'bind', source, options })
  }
  return { mounts, env, bundle }
}

async function valueOf(
  op: Op,
  tools: Pick<Tools, 'secrets'>,
  secret: Secret,
): Promise<Uint8Array | undefined> {
  const value = await tools.secrets.get(op, secret.id)
  if (!value && secret.required) throw new EngineError('not-found', `secret ${secret.id}: not found`)
  return value
}

function textOf(secret: Secret, value: Uint8Array): string {
  const text = Buffer.from(value).toString()
  if (text.includes('\0'))
    throw new EngineError('invalid', `secret ${secret.id} has a zero byte: it cannot be a variable`)
  return text
}
