import type { Instruction } from '../dockerfile/instructions.ts'
import type { Report, View } from './view.ts'

/** Arrays with a fault: docker takes them for a command line, and the shell finds no program called `[python,`. */
export function checkJsonForm(view: View, report: Report): void {
  for (const { stage, checked } of view.stages)
    if (checked) for (const i of stage.body) brokenArray(i, report)
}

function brokenArray(i: Instruction, report: Report): void {
  const text = argumentsOf(i)
  if (text === undefined || !looksLikeArray(text) || isArray(text)) return
  const name = i.kind.toUpperCase()
  const better = repaired(text)
  report(
    'BrokenJsonForm',
    i.node.range,
    `The arguments of ${name} begin like a JSON array and are none: ${faultOf(text)}`,
    better === undefined ? undefined : `${i.node.keyword} ${better}`,
  )
}

function argumentsOf(i: Instruction): string | undefined {
  switch (i.kind) {
    case 'run':
    case 'cmd':
    case 'entrypoint':
      return i.command.form === 'shell' && i.node.heredocs.length === 0 ? i.command.args[0] : undefined
    case 'volume':
      return i.node.args.text
    case 'copy':
    case 'add':
      return i.node.args.text.replace(/^(?:--\S+\s+)+/, '')
    case 'from':
    case 'workdir':
    case 'env':
    case 'label':
    case 'arg':
    case 'expose':
    case 'user':
    case 'stopsignal':
    case 'shell':
    case 'healthcheck':
    case 'onbuild':
    case 'maintainer':
      return undefined
  }
}

/** `[ "$a" = b ]` is a test of the shell: an array has a comma behind its first string, or its end and no spaces. */
function looksLikeArray(text: string): boolean {
  return /^\[\s*(?:"[^"]*"|'[^']*')\s*,/.test(text) || /^\[(?:"[^"]*"|'[^']*')\]/.test(text)
}

function isArray(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text))
  } catch {
    return false
  }
}

function faultOf(text: string): string {
  if (/^\[\s*'/.test(text)) return 'strings need double quotes'
  if (/,\s*\]/.test(text)) return 'there is a comma too many'
  if (/\]\s*#/.test(text)) return 'a "#" behind them does not start a comment'
  if (/\][^\]]*\S/.test(text)) return 'something follows the bracket'
  return 'a quote, comma or bracket is wrong'
}

/** The array that was meant, when simple mistakes are mended. */
function repaired(text: string): string | undefined {
  const array = /^\[[^\]]*\]/.exec(text)?.[0] ?? `${text}]`
  const mended = array.replace(/'([^'"]*)'/g, '"$1"').replace(/,\s*\]$/, ']')
  return isArray(mended) ? mended : undefined
}
