import { daemonOptions, type DaemonOption } from './options.ts'

/** What `--help` prints. */
export function helpText(program = 'gantryd'): string {
  const options: readonly DaemonOption[] = daemonOptions
  const rows = options
    .filter((option) => option.flag !== undefined)
    .map((option) => {
      const short = option.short === undefined ? '   ' : `-${option.short},`
      const value =
        option.type === 'boolean'
          ? ''
          : ` ${option.type === 'integer' ? 'int' : option.type === 'size' ? 'bytes' : option.type}`
      return { left: `  ${short} --${option.flag}${value}`, help: option.help }
    })
  const width = Math.max(...rows.map((row) => row.left.length)) + 3
  const lines = rows.map((row) => row.left.padEnd(width) + row.help)
  return `Usage: ${program} [OPTIONS]\n\nThe Gantry container engine.\n\nOptions:\n${lines.join('\n')}\n`
}
