import { humanDuration } from '../../lib/units.ts'
import type { ContainerInspect, ContainerState, EndReason } from '../../wire/container.ts'
import { command, type Context } from '../command.ts'
import { jsonFormat } from '../common-flags.ts'
import { int } from '../flags.ts'
import { visible } from '../../lib/visible.ts'

/** What other engines' daemons leave to be guessed. */
const unexplained: EndReason = { Kind: 'exit', Text: 'the daemon does not say; see its log' }

export const why = command({
  usage: '[OPTIONS] CONTAINER',
  arguments: [1, 1],
  flags: {
    format: jsonFormat(),
    lines: int('Lines of the log to show', { short: 'n', initial: 10 }),
  },
  async run(context, flags, [name = '']) {
    const c = await context.client.containers.inspect(name)
    const lines = flags.lines > 0 ? await lastLines(context, c, flags.lines) : []
    if (flags.format === 'json') return context.out(`${JSON.stringify({ ...facts(c), Log: lines })}\n`)
    context.out(`${[...lifeLines(c), ...healthLines(c.State)].join('\n')}\n`)
    if (lines.length > 0)
      context.out(`Last lines of its log:\n${lines.map((line) => `  ${line}\n`).join('')}`)
  },
})

/** For programs, in the API's names; `Reason` is null while it runs, and where the daemon knows none. */
function facts(c: ContainerInspect): object {
  const { State: state } = c
  return {
    ID: c.Id,
    Name: c.Name.replace(/^\//, ''),
    Status: state.Status,
    ExitCode: state.ExitCode,
    Error: state.Error,
    StartedAt: state.StartedAt,
    FinishedAt: state.FinishedAt,
    Reason: state.Reason ?? null,
    Previous: state.Previous ?? null,
    RestartPolicy: c.HostConfig.RestartPolicy ?? null,
    RestartCount: c.RestartCount,
    Health: state.Health ?? null,
  }
}

const span = (milliseconds: number): string =>
  humanDuration(Math.max(0, milliseconds)).replace(/^[A-Z]/, (letter) => letter.toLowerCase())
const ago = (time: string): string => `${span(Date.now() - Date.parse(time))} ago`

function lifeLines(c: ContainerInspect): string[] {
  const { State: state, HostConfig: hostConfig, RestartCount: restarts } = c
  const name = c.Name.replace(/^\//, '')
  const lines: string[] = []
  const { Name: policy = 'no', MaximumRetryCount: most = 0 } = hostConfig.RestartPolicy ?? {}
  if (state.Status === 'created') {
    lines.push(state.Error === '' ? `${name} was never started.` : `${name} could not be started.`)
    if (state.Reason) lines.push(`Why: ${state.Reason.Text}.`)
    if (state.Error !== '' && state.Error !== state.Reason?.Text)
      lines.push(`The runtime said: ${state.Error.split('\n', 1)[0]}`)
  } else if (state.Running && !state.Restarting) {
    lines.push(`${name} runs: started ${ago(state.StartedAt)}${state.Paused ? ', paused' : ''}.`)
    if (state.Previous)
      lines.push(
        `Before that it ended ${ago(state.Previous.FinishedAt)} with code ${state.Previous.ExitCode}.`,
        `Why: ${(state.Previous.Reason ?? unexplained).Text}.`,
      )
  } else {
    const ran = span(Date.parse(state.FinishedAt) - Date.parse(state.StartedAt))
    lines.push(
      `${name} ended ${ago(state.FinishedAt)} with code ${state.ExitCode}, after ${ran}.`,
      `Why: ${(state.Reason ?? unexplained).Text}.`,
    )
  }
  if (policy !== 'no' && policy !== '') {
    const limit = most > 0 ? `:${most}` : ''
    const next = state.Restarting ? '; it is about to be started again' : ''
    lines.push(`Restart policy ${policy}${limit}: restarted ${times(restarts)}${next}.`)
  }
  return lines
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`)

function healthLines({ Health: health }: ContainerState): string[] {
  if (!health || health.Status === 'none') return []
  const streak = health.FailingStreak > 0 ? `, ${health.FailingStreak} failed in a row` : ''
  return [
    `Health checks: ${health.Status}${streak}.`,
    ...(health.Log ?? []).map(({ Start, ExitCode, Output }) => {
      const time = new Date(Start).toISOString().slice(11, 19)
      const said = visible(Output.trim().split('\n').at(-1) ?? '')
      return `  ${time}  ${ExitCode === 0 ? 'passed' : `failed (${ExitCode})`}  ${said}`.trimEnd()
    }),
  ]
}

/** Both streams, in the order in which they came. */
async function lastLines(context: Context, c: ContainerInspect, count: number): Promise<string[]> {
  const { raw, stream } = await context.client.containers.logs(c.Id, { tail: String(count) })
  const { FrameDecoder } = await import('../../wire/frame.ts')
  const chunks: Buffer[] = []
  const decoder = new FrameDecoder((_stream, data) => void chunks.push(Buffer.from(data)))
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (raw) chunks.push(chunk)
    else decoder.push(chunk)
  }
  const text = Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '')
  return text === '' ? [] : text.split('\n').map((line) => visible(line.replace(/\r$/, '')))
}
