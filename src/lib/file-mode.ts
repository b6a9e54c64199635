import { EngineError } from './errors.ts'

/** Permission bits, or what chmod(1) makes of those that are there. Plain data. */
export type FileMode = number | readonly ModeChange[]

/** `u+rwX`, one clause of several. Bits are those of all classes together, as of `a`. */
export interface ModeChange {
  readonly operator: '+' | '-' | '='
  /** The bits of the classes that are meant: 0o700 of `u`, with setuid and the like. */
  readonly who: number
  /** Without who: bits that the umask keeps out of it. */
  readonly masked: number
  readonly bits: number
  /** `X`: for directories, and for what somebody may execute. */
  readonly search: boolean
  /** Bits of another class, `g=u`. */
  readonly like?: 'u' | 'g' | 'o'
}

const classes: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 }
const permissions: Readonly<Record<string, number>> = {
  r: 0o444,
  w: 0o222,
  x: 0o111,
  s: 0o6000,
  t: 0o1000,
  X: 0,
}
/** BuildKit reads modes as under this umask. */
const umask = 0o022

/** `755` or `u=rwX,go-w`, as chmod(1) takes it. Throws kind `invalid`. */
export function parseFileMode(text: string): FileMode {
  if (/^[0-7]{3,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8)
  const clauses = text.split(',').flatMap((clause) => {
    const [, who, actions] = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause) ?? []
    if (who === undefined || actions === undefined) throw invalid(text)
    return [...actions.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)].map(([, operator, perms = '']) =>
      change(who, operator as ModeChange['operator'], perms),
    )
  })
  if (clauses.length === 0) throw invalid(text)
  return clauses
}

function change(who: string, operator: ModeChange['operator'], perms: string): ModeChange {
  const meant = Array.from(who || 'a').reduce((sum, each) => sum | (classes[each] ?? 0), 0)
  const common = { operator, who: meant, masked: who === '' ? umask : 0 }
  if (perms === 'u' || perms === 'g' || perms === 'o')
    return { ...common, bits: 0, search: false, like: perms }
  const bits = Array.from(perms).reduce((sum, each) => sum | (permissions[each] ?? 0), 0)
  return { ...common, bits, search: perms.includes('X') }
}

/** The bits that a file gets which has `current`. */
export function applyMode(mode: FileMode, current: number, isDirectory: boolean): number {
  if (typeof mode === 'number') return mode
  let bits = current & 0o7777
  for (const { operator, who, masked, bits: asked, search, like } of mode) {
    const copied = like === undefined ? 0 : spread((bits >> { u: 6, g: 3, o: 0 }[like]) & 7)
    const executable = search && (isDirectory || (bits & 0o111) !== 0) ? 0o111 : 0
    const wanted = (asked | copied | executable) & who & ~masked
    if (operator === '+') bits |= wanted
    else if (operator === '-') bits &= ~wanted
    else bits = (bits & ~(who & 0o7777 & ~keptOf(isDirectory))) | wanted
  }
  return bits
}

const spread = (three: number): number => (three << 6) | (three << 3) | three

/** `=` leaves a directory its setuid and setgid, as chmod(1) does. */
const keptOf = (isDirectory: boolean): number => (isDirectory ? 0o6000 : 0)

const invalid = (text: string) =>
  new EngineError(
    'invalid',
    `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777, or a change as u+x,go=rX`,
  )
