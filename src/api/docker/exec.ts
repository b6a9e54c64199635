import type { Engine } from '../../engine/index.ts'
import type { ExecSession } from '../../container/index.ts'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { ExecInspect } from '../../wire/container.ts'
import { frameHeader } from '../../wire/frame.ts'
import { decode, readJson } from './body.ts'
import { contentType } from './attach.ts'
import { sizeOf } from './containers.ts'
import { parseDetachKeys } from './detach-keys.ts'
import { relay } from './hijack.ts'
import { sendEmpty, sendJson } from './respond.ts'
import type { HijackCall, Route } from './route.ts'
import { execBody, execStartBody } from './schema.ts'
import { isDefault } from './unsupported.ts'

type Deps = Pick<Engine, 'containers'>

export function execRoutes({ containers }: Deps): Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/:id/exec',
      handler: async (call) => {
        const { ConsoleSize, ...config } = decode(execBody, (await readJson(call.request)) ?? {})
        parseDetachKeys(config.DetachKeys ?? '', 'escape')
        const size = ConsoleSize && !isDefault(ConsoleSize) ? { ConsoleSize } : {}
        sendJson(
          call.response,
          { Id: containers.createExec(call.params['id'] ?? '', { ...config, ...size }) },
          201,
        )
      },
    },
    { method: 'POST', path: '/exec/:id/start', hijack: (call) => start({ containers }, call) },
    {
      method: 'POST',
      path: '/exec/:id/resize',
      handler: (call) => {
        containers.resizeExec(call.params['id'] ?? '', sizeOf(call))
        sendEmpty(call.response, 200)
      },
    },
    {
      method: 'GET',
      path: '/exec/:id/json',
      handler: (call) => sendJson(call.response, encodeExec(containers.exec(call.params['id'] ?? ''))),
    },
  ]
}

async function start({ containers }: Deps, call: HijackCall): Promise<void> {
  const id = call.params['id'] ?? ''
  const { config } = containers.exec(id)
  const { ConsoleSize, ...body } = decode(execStartBody, (await call.body()) ?? {})
  const options = { ...body, ...(ConsoleSize && !isDefault(ConsoleSize) ? { ConsoleSize } : {}) }
  const tty = config.Tty === true
  if (body.Detach) {
    await containers.startExec(call.committed, id, options)
    // Docker: 200, no body
    call.answer(200)
    return
  }
  let started
  try {
    started = await containers.startExec(call.op, id, options)
  } catch (error) {
    // Docker: the command's own failure is part of its output; the exit code (126, 127) is in the exec's state.
    const own = error instanceof EngineError && (error.kind === 'invalid' || 'exitCode' in error)
    if (!own) throw error
    const connection = call.accept(contentType(call, { tty }))
    const text = Buffer.from(`${messageOf(error)}\r\n`)
    if (!tty) connection.output.write(frameHeader(1, text.length))
    connection.output.write(text)
    connection.close()
    return
  }
  const connection = call.accept(contentType(call, { tty }))
  const { state } = containers.exec(id)
  const exited = state.status === 'running' ? state.process.exited : Promise.resolve()
  if (started.stream)
    await relay(call.op, connection, started.stream, {
      settled: exited,
      inputEnd: config.AttachStdin !== true ? 'ignore' : tty ? 'detach' : 'close-stdin',
      detachKeys: tty ? parseDetachKeys(config.DetachKeys ?? '') : undefined,
    })
  else {
    await exited
    connection.close()
  }
}

function encodeExec(session: ExecSession): ExecInspect {
  const { config, command, state } = session
  const [entrypoint = '', ...rest] = command
  return {
    ID: session.id,
    Running: state.status === 'running',
    ExitCode: state.status === 'exited' ? state.exitCode : null,
    ProcessConfig: {
      entrypoint,
      arguments: rest,
      tty: config.Tty === true,
      privileged: config.Privileged === true,
      ...(config.User ? { user: config.User } : {}),
    },
    OpenStdin: config.AttachStdin === true,
    OpenStderr: config.AttachStderr === true,
    OpenStdout: config.AttachStdout === true,
    CanRemove: state.status === 'exited',
    ContainerID: session.container.id,
    DetachKeys: config.DetachKeys ?? '',
    Pid: state.status === 'running' ? state.process.pid : state.status === 'exited' ? state.pid : 0,
  }
}
