import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { directoriesOf, removeTree } from '../host/cgroup.ts'
import { isAlive } from '../host/proc.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import type { HostConfig } from '../wire/container.ts'
import { FrameDecoder } from '../wire/frame.ts'
import { buildSpec, execProcess, resolveUser, Runtime, type ExitReport, type OciSpec } from './index.ts'

const op = background(silentLogger)
const applets = ['sh', 'sleep', 'echo', 'cat', 'true', 'id', 'head', 'stty', 'tty', 'grep', 'kill']

interface Wish {
  tty?: boolean
  stdin?: boolean
  size?: [number, number]
  hostConfig?: HostConfig
  user?: string
}

for (const name of ['crun', 'runc']) {
  suite(`the runtime with ${name}`, () => {
    const directory = mkdtempSync('/tmp/gantry-rt-')
    const rootfs = join(directory, 'rootfs')
    const parent = `/gantry-test-${process.pid}-${name}`
    const ends = new Map<string, ExitReport>()
    const waiting = new Map<string, () => void>()
    // Newer crun keeps compiled seccomp filters of all containers in `.cache`.
    const states = () => readdirSync(join(directory, 's', name)).filter((entry) => entry !== '.cache')
    let runtime: Runtime
    let count = 0

    before(async () => {
      for (const path of ['bin', 'etc', 'tmp']) mkdirSync(join(rootfs, path), { recursive: true })
      copyFileSync('/usr/bin/busybox', join(rootfs, 'bin/busybox'))
      for (const applet of applets) symlinkSync('busybox', join(rootfs, 'bin', applet))
      writeFileSync(
        join(rootfs, 'etc/passwd'),
        'root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n',
      )
      writeFileSync(join(rootfs, 'bin/data'), 'no program')
      chmodSync(join(rootfs, 'bin/data'), 0o644)
      runtime = await Runtime.probe(op, {
        name,
        stateDir: join(directory, 's'),
        exitDir: join(directory, 'x'),
      })
      runtime.onExit((exit) => {
        ends.set(exit.id, exit)
        waiting.get(exit.id)?.()
      })
    })
    after(async () => {
      await runtime.close()
      await removeTree(parent)
      rmSync(directory, { recursive: true })
    })

    function specOf(id: string, args: string[], wish: Wish = {}): OciSpec {
      return buildSpec({
        args,
        env: ['PATH=/bin', 'HOME=/root'],
        cwd: '/',
        user: resolveUser(rootfs, wish.user ?? ''),
        tty: wish.tty === true,
        ...(wish.size && { consoleSize: wish.size }),
        hostname: 'box',
        rootfs,
        readonlyRootfs: false,
        mounts: [],
        namespaces: { network: 'private', pid: 'private', ipc: 'private', uts: 'private', cgroup: 'private' },
        hostConfig: wish.hostConfig ?? {},
        cgroupsPath: `${parent}/${id}`,
        init: false,
        kind: 'container',
      })
    }

    const logSetup = (path: string) => ({ path, discard: false, maxSize: 1 << 20, maxFiles: 2 })

    async function create(args: string[], wish: Wish = {}) {
      const id = `c${++count}`
      const bundle = join(directory, 'b', id)
      mkdirSync(bundle, { recursive: true })
      const spec = specOf(id, args, wish)
      const logPath = join(bundle, 'log')
      const stdin = wish.stdin === true
      const tty = wish.tty === true
      const { pid } = await runtime.create(op, {
        id,
        bundle,
        spec,
        tty,
        stdin,
        stdinOnce: stdin,
        log: logSetup(logPath),
        name: id,
      })
      return {
        id,
        bundle,
        pid,
        spec,
        log: () => readFileSync(logPath, 'utf8'),
        attach: () => runtime.attach(op, { bundle, tty, stdin, stdout: true, stderr: true }),
        ended: async () => {
          while (!ends.has(id)) await new Promise<void>((resolve) => waiting.set(id, resolve))
          return ends.get(id)
        },
        exec: (
          command: string[],
          o: Partial<Record<'tty' | 'stdin' | 'detached', boolean>> & {
            user?: string
            size?: [number, number]
          } = {},
        ) =>
          runtime.exec(op, {
            id,
            bundle,
            process: execProcess(spec, {
              args: command,
              env: ['X=1'],
              tty: o.tty === true,
              privileged: false,
              ...(o.user && { user: resolveUser(rootfs, o.user) }),
            }),
            stdin: o.stdin === true,
            stdout: o.detached !== true,
            stderr: o.detached !== true,
            ...(o.size && { consoleSize: o.size }),
          }),
        [Symbol.asyncDispose]: async () => {
          await runtime.delete(op, id)
          runtime.forgetExit(id)
          assert.deepEqual(directoriesOf(`${parent}/${id}`), [])
        },
      }
    }

    test('tells exit code, log and state of a container', async () => {
      await using c = await create(['sh', '-c', 'echo out; echo err >&2; exit 7'])
      assert.equal((await runtime.inspect(op, c.id))?.status, 'created')
      await runtime.start(op, c.id)
      const exit = await c.ended()
      assert.equal(exit?.exitCode, 7)
      assert.equal(exit?.oomKilled, false)
      assert.deepEqual({ id: c.id, ...runtime.exitOf(c.id, c.bundle) }, exit)
      assert.match(c.log(), /^\S+ stdout F out\n\S+ stderr F err\n$/m)
      assert.equal((await runtime.inspect(op, c.id))?.status, 'stopped')
      await runtime.delete(op, c.id)
      assert.equal(await runtime.inspect(op, c.id), undefined)
    })

    test("a client attached before the start misses nothing, and its end of input is the process's", async () => {
      await using c = await create(['sh', '-c', 'echo first; cat; echo last >&2'], { stdin: true })
      const { stream } = await c.attach()
      await runtime.start(op, c.id)
      stream.end('hello\n')
      assert.deepEqual(await framed(stream), { out: 'first\nhello\n', err: 'last\n' })
    })

    test('a terminal has its size from the first line, and changes it', async () => {
      await using c = await create(['sh', '-c', 'stty size; read x; stty size'], {
        tty: true,
        stdin: true,
        size: [31, 91],
      })
      const { stream } = await c.attach()
      await runtime.start(op, c.id)
      const output = text(stream)
      await delay(200)
      await runtime.resize(op, { bundle: c.bundle, rows: 40, columns: 100 })
      await delay(100)
      stream.write('go\n')
      assert.equal(await output, '31 91\r\ngo\r\n40 100\r\n')
    })

    test('commands that cannot be run are 127 and 126', async () => {
      for (const [command, exitCode] of [
        ['nonsense', 127],
        ['/bin/nonsense', 127],
        ['/bin/data', 126],
        ['/tmp', 126],
      ] as const)
        await assert.rejects(create([command]), { name: 'RuntimeStartError', exitCode, kind: 'invalid' })
      assert.deepEqual(states(), [])
    })

    test('a container that runs out of memory says so', async () => {
      const script = 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
      await using c = await create(['sh', '-c', script], { hostConfig: { Memory: 20 << 20 } })
      await runtime.start(op, c.id)
      assert.partialDeepStrictEqual(await c.ended(), { exitCode: 137, oomKilled: true })
    })

    test('pause, resume, kill and a delete that has to kill', async () => {
      await using c = await create(['sleep', '1000'])
      await runtime.start(op, c.id)
      await runtime.pause(op, c.id)
      assert.equal((await runtime.inspect(op, c.id))?.status, 'paused')
      await runtime.resume(op, c.id)
      assert.equal((await runtime.inspect(op, c.id))?.status, 'running')
      await runtime.kill(op, c.id, 9)
      assert.equal((await c.ended())?.exitCode, 137)
      await using other = await create(['sleep', '1000'])
      await runtime.start(op, other.id)
      await runtime.delete(op, other.id)
      assert.equal(isAlive(other.pid), false)
      await runtime.delete(op, other.id)
    })

    test('the filter is on, also for a second container and for exec', async () => {
      for (let round = 0; round < 2; round++) {
        await using c = await create(['sh', '-c', 'grep Seccomp: /proc/self/status; exec sleep 1000'])
        await runtime.start(op, c.id)
        const inside = await c.exec(['grep', 'Seccomp:', '/proc/self/status'])
        assert.match((await framed(inside.stream)).out, /^Seccomp:\s+2$/m)
        assert.match(c.log(), /Seccomp:\s+2$/m)
      }
    })

    test('exec: streams, exit codes, users, terminals, errors', async () => {
      await using c = await create(['sleep', '1000'])
      await runtime.start(op, c.id)

      const piped = await c.exec(['sh', '-c', 'cat; echo $X >&2; exit 9'], { stdin: true })
      piped.stream?.end('hello\n')
      assert.deepEqual(await framed(piped.stream), { out: 'hello\n', err: '1\n' })
      assert.equal(await piped.exited, 9)

      const bob = await c.exec(['sh', '-c', 'id -u; echo $HOME; echo again > /dev/stdout'], { user: 'bob' })
      assert.equal((await framed(bob.stream)).out, '1000\n/home/bob\nagain\n')

      const terminal = await c.exec(['sh', '-c', 'stty size; tty; read x; stty size; exit 4'], {
        tty: true,
        stdin: true,
        size: [22, 77],
      })
      const output = text(terminal.stream)
      await delay(200)
      terminal.resize(50, 120)
      await delay(100)
      terminal.stream?.write('go\n')
      assert.equal(await output, '22 77\r\n/dev/pts/0\r\ngo\r\n50 120\r\n')
      assert.equal(await terminal.exited, 4)

      const detached = await c.exec(['sh', '-c', 'sleep 0.1; exit 6'], { detached: true })
      assert.equal(detached.stream, undefined)
      assert.ok(isAlive(detached.pid))
      assert.equal(await detached.exited, 6)

      const killed = await c.exec(['sleep', '1000'])
      killed.kill(15)
      assert.equal(await killed.exited, 143)
      killed.stream?.destroy()

      for (const [command, exitCode] of [
        ['nonsense', 127],
        ['/bin/data', 126],
      ] as const)
        await assert.rejects(c.exec([command]), {
          name: 'RuntimeStartError',
          exitCode,
          message: /^OCI runtime exec failed/,
        })
      assert.deepEqual(readdirSync(join(directory, 's/exec')), [])
    })

    test('a build step gives its output and exit code, and is gone when it is cancelled', async () => {
      const bundle = join(directory, 'step')
      mkdirSync(bundle)
      const step = async (args: string[], signal = op.signal) => {
        const seen: Record<number, string> = { 1: '', 2: '' }
        const onOutput = (stream: 1 | 2, data: Buffer) => void (seen[stream] += data.toString())
        const code = await runtime.runStep(
          { ...op, signal },
          { id: 'step', bundle, spec: specOf('step', args), onOutput },
        )
        return { code, ...seen }
      }
      assert.deepEqual(await step(['sh', '-c', 'echo out; echo err >&2; exit 3']), {
        code: 3,
        1: 'out\n',
        2: 'err\n',
      })
      await assert.rejects(step(['nonsense']), { exitCode: 127 })
      const started = performance.now()
      await assert.rejects(step(['sleep', '1000'], AbortSignal.timeout(200)), { name: 'TimeoutError' })
      await assert.rejects(step(['sleep', '1000'], AbortSignal.timeout(5)), { name: 'TimeoutError' })
      assert.ok(performance.now() - started < 5000)
      assert.deepEqual(states(), [])
      assert.deepEqual(directoriesOf(`${parent}/step`), [])
    })

    test('a container outlives kill -9 of the daemon: log and exit code are found afterwards', async () => {
      const id = 'survivor'
      const bundle = join(directory, 'b', id)
      const state = { name, stateDir: join(directory, 's2'), exitDir: join(directory, 'x2') }
      mkdirSync(bundle, { recursive: true })
      const spec = specOf(id, ['sh', '-c', 'echo before; sleep 1; echo after; exit 5'])
      const logPath = join(bundle, 'log')
      const options = {
        id,
        bundle,
        spec,
        tty: false,
        stdin: false,
        stdinOnce: false,
        log: logSetup(logPath),
        name: id,
      }
      const script = `
        import { Runtime } from ${JSON.stringify(import.meta.resolve('./index.ts'))}
        import { silentLogger } from ${JSON.stringify(import.meta.resolve('../lib/log.ts'))}
        import { background } from ${JSON.stringify(import.meta.resolve('../lib/op.ts'))}
        const op = background(silentLogger)
        const runtime = await Runtime.probe(op, ${JSON.stringify(state)})
        await runtime.create(op, ${JSON.stringify(options)})
        await runtime.start(op, 'survivor')
        process.kill(process.pid, 'SIGKILL')`
      const daemon = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
      assert.deepEqual(await once(daemon, 'exit'), [null, 'SIGKILL'])

      const next = await Runtime.probe(op, state)
      try {
        const ended = new Promise<ExitReport>((resolve) => next.onExit(resolve))
        assert.equal(next.exitOf(id, bundle), undefined)
        assert.equal((await next.inspect(op, id))?.status, 'running')
        assert.equal((await ended).exitCode, 5)
        assert.match(readFileSync(logPath, 'utf8'), /before\n.*after\n$/s)
        await next.delete(op, id)
        next.forgetExit(id)
        assert.deepEqual(directoriesOf(`${parent}/${id}`), [])
      } finally {
        await next.close()
      }
    })
  })
}

async function framed(stream: Duplex | undefined): Promise<{ out: string; err: string }> {
  const seen = { out: '', err: '' }
  const decoder = new FrameDecoder((id, data) => (seen[id === 1 ? 'out' : 'err'] += data.toString()))
  for await (const chunk of stream ?? []) decoder.push(chunk as Buffer)
  return seen
}

async function text(stream: Duplex | undefined): Promise<string> {
  let seen = ''
  for await (const chunk of stream ?? []) seen += (chunk as Buffer).toString()
  return seen
}
