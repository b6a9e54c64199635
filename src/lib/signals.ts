import { constants } from 'node:os'
import { EngineError } from './errors.ts'

/** glibc's first and last real-time signals that programs may use. */
const realTime = { min: 34, max: 64 }

/** Decodes `SIGTERM`, `term`, `15`, `RTMIN+3`; throws kind `invalid` with docker's text. */
export function parseSignal(text: string): number {
  const wrong = () => new EngineError('invalid', `invalid signal: ${text}`)
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    if (number < 1 || number > realTime.max) throw wrong()
    return number
  }
  const name = text.toUpperCase().replace(/^SIG/, '')
  const offset = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name)
  if (offset) {
    const distance = Number(offset[3] ?? 0) * (offset[2] === '-' ? -1 : 1)
    const number = (offset[1] === 'MIN' ? realTime.min : realTime.max) + distance
    if (number < realTime.min || number > realTime.max) throw wrong()
    return number
  }
  const number = (constants.signals as Record<string, number | undefined>)[`SIG${name}`]
  if (number === undefined) throw wrong()
  return number
}

/** `SIGTERM` for 15; the bare number where there is no name. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number)
  return found ? found[0] : String(number)
}

/** What it says of a program when it ends by this signal; undefined when there is little to say. */
export function signalMeaning(number: number): string | undefined {
  return meanings[number]
}

const meanings: Readonly<Record<number, string>> = {
  4: 'an illegal instruction: is the program for this processor?',
  6: 'it gave up by itself (abort)',
  7: 'it used memory that is not there: a file that was cut, or /dev/shm is full (--shm-size)',
  8: 'an arithmetic error',
  11: 'it used memory that it does not have (a bug of the program)',
  13: 'it wrote to a pipe that nobody reads',
  15: 'somebody asked it to end',
  31: 'a system call that the seccomp profile forbids',
}
