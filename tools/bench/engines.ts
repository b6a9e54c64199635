import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { messageOf } from '../../src/lib/errors.ts'
import { Daemon, root } from '../../tests/system/harness.ts'

/** A command line that understands docker's words, and the environment that leads it to its engine. */
export interface Engine extends AsyncDisposable {
  readonly name: string
  readonly version: string
  /** Runs a command to its end; throws with its stderr when it fails. Returns its stdout. */
  run(args: readonly string[], o?: { input?: Buffer; discard?: boolean }): Promise<string>
}

export function execute(
  file: string,
  args: readonly string[],
  o: { env?: Record<string, string>; input?: Buffer; discard?: boolean } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { ...process.env, ...o.env },
      stdio: [o.input ? 'pipe' : 'ignore', o.discard ? 'ignore' : 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(out)
      else reject(new Error(`${file} ${args.join(' ')}: exit ${code}: ${err.trim()}`))
    })
    // A client that gives up early says why on stderr, and by its exit code.
    child.stdin?.on('error', () => {})
    child.stdin?.end(o.input)
  })
}

async function client(
  name: string,
  file: string,
  env: Record<string, string>,
  dispose = () => Promise.resolve(),
): Promise<Engine> {
  const run: Engine['run'] = (args, o) => execute(file, args, { env, ...o })
  const version = (await run(['version', '--format', '{{.Server.Version}}'])).trim()
  return { name, version, run, [Symbol.asyncDispose]: dispose }
}

/** This checkout, with a daemon of its own that ends with the benchmark. */
async function gantry(): Promise<Engine> {
  const daemon = new Daemon()
  await daemon.start()
  return client('gantry', join(root, 'bin/gantry'), { GANTRY_HOST: `unix://${daemon.socket}` }, async () => {
    await daemon.stop()
    daemon.dispose()
  })
}

/** Docker, when a command is on PATH and a real dockerd answers it. Steps have BuildKit when its client part is there. */
async function docker(): Promise<Engine> {
  const platform = await execute('docker', [
    'version',
    '--format',
    '{{.Server.Platform.Name}}{{range .Server.Components}} {{.Name}}{{end}}',
  ])
  if (/gantry/i.test(platform)) throw new Error('DOCKER_HOST leads to Gantry')
  return client('docker', 'docker', {})
}

async function podman(): Promise<Engine> {
  const run: Engine['run'] = (args, o) => execute('podman', args, o)
  const version = (await run(['version', '--format', '{{.Client.Version}}'])).trim()
  return { name: 'podman', version, run, [Symbol.asyncDispose]: () => Promise.resolve() }
}

/** The engines that answer, Gantry first; why the others are left out goes to `say`. */
export async function engines(say: (text: string) => void): Promise<Engine[]> {
  const found = [await gantry()]
  for (const [name, open] of Object.entries({ docker, podman }))
    try {
      found.push(await open())
    } catch (error) {
      say(`without ${name}: ${messageOf(error).split('\n')[0]}`)
    }
  return found
}
