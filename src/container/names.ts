import { randomInt } from 'node:crypto'
import { EngineError } from '../lib/errors.ts'

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/

/** Strips docker's optional slash and checks the rest; throws kind `invalid` with docker's text. */
export function checkName(text: string): string {
  const name = text.replace(/^\//, '')
  if (!pattern.test(name))
    throw new EngineError(
      'invalid',
      `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    )
  return name
}

/** The same for `rename`, in docker's words there. */
export function checkNewName(text: string): string {
  try {
    return checkName(text)
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    const why = error.message.replace(`(${text})`, `(/${text.replace(/^\//, '')})`)
    throw new EngineError(error.kind, `Error when allocating new name: ${why}`, { cause: error })
  }
}

const qualities =
  'able agile amber ample azure bold brave brisk broad calm civil clear coral crisp deft early eager fair fleet fresh glad grand green hardy keen kind lucid lunar merry mild neat noble polar prime proud quick quiet rapid sharp solid sound spry steady stout sunny swift tidal true vivid warm wise'.split(
    ' ',
  )
const things =
  'anchor anvil arch barge beacon beam bolt boom bridge bulkhead buoy cable capstan cargo cleat column crane derrick dock ferry girder harbor hatch hawser helm hoist hook jetty keel ladder lantern lever lighter mast mooring pallet pier pulley pylon quay rail rigging rivet rudder schooner spar strut tackle tether tower trolley truss tug winch yard'.split(
    ' ',
  )

/** A name that people can say, not yet in use. */
export function randomName(isTaken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const suffix = attempt < 10 ? '' : String(randomInt(10 ** Math.min(9, attempt - 9)))
    const name = `${qualities[randomInt(qualities.length)]}_${things[randomInt(things.length)]}${suffix}`
    if (!isTaken(name)) return name
  }
}
