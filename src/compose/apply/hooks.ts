/** Commands that a service wants run in its containers: after the start, before the stop. */
import { EngineError } from '../../lib/errors.ts'
import { FrameDecoder } from '../../wire/frame.ts'
import type { Service } from '../model/service-model.ts'
import type { Work } from './work.ts'

interface HookOptions {
  readonly container: { readonly id: string; readonly name: string }
  readonly hooks: Service['post_start']
  /** What the command is called when it fails. */
  readonly when: 'post_start' | 'pre_stop' | 'sync+exec'
}

/** As much of what a failed hook said is told. */
const maxOutput = 4096

/** One after the other. Throws kind `conflict` when one fails, with the end of what it said. */
export async function runHooks({ client }: Work, { container, hooks, when }: HookOptions): Promise<void> {
  for (const hook of hooks) {
    const exec = await client.containers.createExec(container.id, {
      Cmd: [...(hook.command ?? [])],
      User: hook.user,
      Privileged: hook.privileged,
      WorkingDir: hook.working_dir,
      Env: Array.from(hook.environment, ([key, value]) => (value === null ? key : `${key}=${value}`)),
      AttachStdout: true,
      AttachStderr: true,
    })
    const { stream } = await client.containers.startExec(exec, { Detach: false })
    let output = ''
    const decoder = new FrameDecoder((_, data) => {
      output = (output + data.toString('utf8')).slice(-maxOutput)
    })
    for await (const chunk of stream as AsyncIterable<Buffer>) decoder.push(chunk)
    const { ExitCode: code } = await client.containers.inspectExec(exec)
    if (code !== 0)
      throw new EngineError(
        'conflict',
        `container ${container.name}: ${when} hook ${JSON.stringify((hook.command ?? []).join(' '))} exited with code ${code}${output === '' ? '' : `: ${output.trim()}`}`,
      )
  }
}
