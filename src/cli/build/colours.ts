/** Colours of steps on a terminal, as BuildKit chooses and names them. */
export interface Colours {
  readonly run: string
  readonly cancel: string
  readonly error: string
  readonly warning: string
  /** What ends a colour; empty when there are none. */
  readonly reset: string
  readonly faint: string
}

const none: Colours = { run: '', cancel: '', error: '', warning: '', reset: '', faint: '' }
const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']

/** `NO_COLOR` wins; `BUILDKIT_COLORS=run=green:error=red:cancel=255,165,0:warning=yellow` chooses. `wrong`: what it has of mistakes. */
export function coloursOf(env: Readonly<Record<string, string | undefined>>): {
  colours: Colours
  wrong: string[]
} {
  if (env['NO_COLOR']) return { colours: none, wrong: [] }
  const colours = { run: sgr(34), cancel: sgr(33), error: sgr(31), warning: sgr(33) }
  const wrong: string[] = []
  for (const field of (env['BUILDKIT_COLORS'] ?? '').split(':')) {
    if (field === '') continue
    const [key = '', value = ''] = field.split('=')
    const code = codeOf(value)
    if (code === undefined || !Object.hasOwn(colours, key)) wrong.push(field)
    // One of the four: asked in the line above.
    else colours[key as keyof typeof colours] = code
  }
  return { colours: { ...colours, reset: '\x1b[0m', faint: '\x1b[2m' }, wrong }
}

const sgr = (code: number | string): string => `\x1b[${code}m`

function codeOf(text: string): string | undefined {
  const rgb = /^(\d{1,3}),(\d{1,3}),(\d{1,3})$/.exec(text)
  if (rgb) {
    const parts = rgb.slice(1)
    return parts.every((part) => Number(part) <= 255) ? sgr(`38;2;${parts.join(';')}`) : undefined
  }
  const name = text.toLowerCase()
  if (name === 'default') return sgr(39)
  const index = names.indexOf(name.replace(/^light-/, ''))
  return index < 0 ? undefined : sgr((name.startsWith('light-') ? 90 : 30) + index)
}
