import { spawn } from 'node:child_process'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Answers TCP connections and datagrams on a port with the peer's address. */
const serverCode = (port: number, ip: string) => `
  require('net').createServer((s) => s.end(s.remoteAddress)).listen(${port}, '${ip}', () => console.log('ready'))
  const u = require('dgram').createSocket('udp4')
  u.on('message', (_, from) => u.send(from.address, from.port, from.address)).bind(${port})`

const clientCode = (protocol: 'tcp' | 'udp', ip: string, port: number, from: number) =>
  protocol === 'tcp'
    ? `const s = require('net').connect(${port}, '${ip}'); s.setTimeout(700, () => (console.log('timeout'), process.exit()))
       s.on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code)).on('end', () => process.exit())`
    : `const u = require('dgram').createSocket('${ip.includes(':') ? 'udp6' : 'udp4'}'); u.bind(${from}, () => u.send('x', ${port}, '${ip}'))
       u.on('message', (d) => (console.log(String(d)), process.exit())); setTimeout(() => (console.log('timeout'), process.exit()), 700)`

const inside = (netns: string | undefined, code: string): [string, string[]] =>
  netns === undefined
    ? [process.execPath, ['-e', code]]
    : ['nsenter', [`--net=${netns}`, process.execPath, '-e', code]]

/** A server in a namespace (or in the host's) that runs until disposed. */
export async function serve(
  netns: string | undefined,
  port: number,
  o: { ip?: string } = {},
): Promise<Disposable> {
  const child = spawn(...inside(netns, serverCode(port, o.ip ?? '0.0.0.0')), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`the test server ended with ${code}`)))
  })
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** What the server said (the client's address as it sees it), an error code, or `timeout`. */
export async function call(
  netns: string | undefined,
  /** `from`: the client's own port (UDP). */
  target: { protocol?: 'tcp' | 'udp'; ip: string; port: number; from?: number },
): Promise<string> {
  const { stdout } = await execute(
    ...inside(netns, clientCode(target.protocol ?? 'tcp', target.ip, target.port, target.from ?? 0)),
  )
  return stdout.trim()
}
