/** Runs a case with Gantry, inside this process, or with a real docker compose. */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { invoke } from '../../../src/cli/invoke.ts'
import type { Context } from '../../../src/cli/command.ts'
import { findCommand } from '../../../src/cli/table.ts'
import type { Case } from './cases.ts'

export interface Result {
  readonly out: string
  /** What was refused; empty when nothing was. */
  readonly fault: string
}

const fixed = { HOME: '/home/user', PATH: '/usr/bin:/bin' }

/** `own` is the folder of the case. */
export async function runOwn(one: Case, own: string): Promise<Result> {
  const found = findCommand(['compose', ...one.run])
  if (!found) throw new Error(`no such command: ${one.run.join(' ')}`)
  let out = ''
  const context = {
    path: 'gantry compose',
    host: '',
    debug: false,
    out: (text: string) => (out += text),
    err: () => undefined,
  } as unknown as Context // loading files asks for no engine and no configuration
  const env = { ...process.env }
  const before = process.cwd()
  surround({ ...fixed, ...one.env })
  process.chdir(join(own, one.cwd))
  try {
    await invoke(found, context)
    return { out: shown(out, own), fault: '' }
  } catch (error) {
    return { out: '', fault: shown(error instanceof Error ? error.message : String(error), own) }
  } finally {
    process.chdir(before)
    surround(env)
  }
}

/** In place: what asks the system itself for a variable sees it, too. */
function surround(env: Readonly<Record<string, string | undefined>>): void {
  for (const key of Object.keys(process.env)) delete process.env[key]
  Object.assign(process.env, env)
}

/** `binary` is the plugin, which runs alone. */
export function runDocker(one: Case, own: string, binary: string): Result {
  const { status, stdout, stderr } = spawnSync(binary, one.run, {
    cwd: join(own, one.cwd),
    encoding: 'utf8',
    env: { ...fixed, ...one.env, DOCKER_HOST: 'unix:///nonexistent' },
    timeout: 20_000,
  })
  if (status === 0) return { out: shown(stdout, own), fault: '' }
  const said = stderr.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('time='))
  return { out: '', fault: shown(said.join('\n'), own) }
}

function shown(text: string, own: string): string {
  const all = text.replaceAll(own, '$DIR').replaceAll(dirname(own), '$ROOT')
  return all === '' || all.endsWith('\n') ? all : `${all}\n`
}
