import type { WarningEvent } from '../../wire/build.ts'

/** What builds say of warnings at their end, in docker's words; `debug`: with reasons, pages and better versions. */
export function warningsText(
  warnings: readonly WarningEvent[],
  o: { debug: boolean; colour: boolean },
): string {
  if (warnings.length === 0) return ''
  const count = warnings.length === 1 ? '1 warning found' : `${warnings.length} warnings found`
  const head = `${count}${o.debug ? '' : ' (use gantry --debug to expand)'}:`
  const lines = warnings.map((warning) => ` - ${line(warning)}\n${o.debug ? details(warning) : ''}`)
  return `\n ${o.colour ? `\x1b[33m${head}\x1b[0m` : head}\n${lines.join('')}`
}

function line({ rule, message, startLine }: WarningEvent): string {
  return `${rule === undefined ? '' : `${rule}: `}${message}${startLine === undefined ? '' : ` (line ${startLine})`}`
}

function details({ description, url, better }: WarningEvent): string {
  const indented = (text: string) =>
    text
      .split('\n')
      .map((each) => `      ${each}\n`)
      .join('')
  return [
    description === undefined ? '' : `   ${description}\n`,
    better === undefined ? '' : `   Better:\n${indented(better)}`,
    url === undefined ? '' : `   More info: ${url}\n`,
    '\n',
  ].join('')
}
