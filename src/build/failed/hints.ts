import { signalMeaning, signalName } from '../../lib/signals.ts'
import type { StepFailure } from '../exec/step-failure.ts'

/** What may help with a failed RUN, one sentence each, the surest first. */
export function hintsFor(failure: StepFailure): string[] {
  const { code, output, step } = failure
  const hints: string[] = []
  if (code === undefined) return startHints(failure)
  const missing = missingCommand(output)
  const environment = step.env.find((entry) => entry.startsWith('PATH=')) ?? 'no PATH'
  if (/\r'?: (not found|No such file)|\^M/.test(output) || /env: .*\\r/.test(output))
    hints.push('A script has Windows line ends: convert it with dos2unix, or keep LF by .gitattributes.')
  else if (code === 127)
    hints.push(
      missing === undefined
        ? 'Exit code 127 says that a command was not found.'
        : `${JSON.stringify(missing)} is not in the image: install it in an earlier step, or write its full path (${environment}).`,
    )
  if (code === 126)
    hints.push(
      'Exit code 126 says that the command was found but cannot be executed: give it its executable bit (COPY --chmod=755), or check its first line (#!).',
    )
  if (/exec format error/i.test(output))
    hints.push(
      '"Exec format error": the program is for another architecture, or a script without a first line "#!".',
    )
  if (code > 128 && code < 128 + 65) hints.push(signalHint(code - 128, failure))
  for (const [pattern, hint] of known) if (pattern.test(output)) hints.push(hint)
  if (
    /(Temporary failure in name resolution|Could not resolve host|bad address|Name or service not known)/i.test(
      output,
    )
  )
    hints.push(
      step.network === 'none'
        ? 'The step has no network: it runs with --network=none.'
        : 'A name was not resolved: check the network of this host, or give a proxy by --build-arg HTTP_PROXY=…',
    )
  if (/permission denied|operation not permitted/i.test(output) && !/^(|0|root)(:.*)?$/.test(step.user))
    hints.push(`The step runs as user ${step.user}: what needs root belongs before the USER instruction.`)
  return hints
}

const known: readonly (readonly [RegExp, string])[] = [
  [
    /Unable to locate package|has no installation candidate/,
    'The package lists are missing or old: run "apt-get update" in the same RUN as "apt-get install".',
  ],
  [/unable to select packages/i, 'The package index is missing or old: use "apk add --no-cache".'],
  [
    /No space left on device|ENOSPC/,
    'The disk is full: "gantry system prune" and "gantry builder prune" free space.',
  ],
  [
    /\(y\/n\)|Do you want to continue\? \[Y\/n\]\s*Abort/i,
    'A program asked a question: nobody answers in a build, so use its flag for yes ("-y").',
  ],
]

function startHints({ step, message }: StepFailure): string[] {
  const command = step.args[0] ?? ''
  if (/no such file or directory|not found in/i.test(message))
    return [
      /(^|\/)sh$/.test(command)
        ? `The image has no ${command}: use the exec form (RUN ["program", "argument"]) or a base image with a shell.`
        : `${command} is not in the image, or the interpreter of its first line (#!) is not.`,
    ]
  if (/permission denied/i.test(message))
    return [`${command} is there but cannot be executed: give it its executable bit (COPY --chmod=755).`]
  if (/exec format error/i.test(message))
    return [`${command} is for another architecture, or a script without a first line "#!".`]
  return []
}

/** In the words of the usual shells. */
function missingCommand(output: string): string | undefined {
  const shell =
    /(?:^|\n)[^\n]*?(?:sh|bash|zsh)(?:\[\d+\])?: (?:line \d+: |\d+: )?([^\s:]+): (?:command )?not found/
  return shell.exec(output)?.[1]
}

function signalHint(signal: number, failure: StepFailure): string {
  const name = signalName(signal)
  if (signal === 9)
    return failure.memory > 0
      ? `It was killed (SIGKILL): most likely it needed more memory than its limit of ${Math.round(failure.memory / (1 << 20))} MiB (--memory).`
      : 'It was killed (SIGKILL): most likely this host ran out of memory; let the step use less, as by fewer parallel jobs.'
  const meaning = signalMeaning(signal)
  return `It was ended by ${name}${meaning === undefined ? '' : `: ${meaning}`}.`
}
