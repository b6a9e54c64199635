/** Env files of a project: one after the other, each seeing what those before it set. */
import { parseDotenv, type EnvFile } from './dotenv.ts'
import { ComposeError, nowhere, placedOver, type Place } from './node.ts'
import { isFile, readSource, shownFile, type Surroundings } from './scope.ts'

/** Variables of `.env` and `--env-file`; the surroundings win where a text names a variable. */
export function readEnvFiles(
  paths: readonly string[],
  { environment, sources }: Surroundings,
  o: { readonly warn: (text: string) => void; readonly from?: Place },
): EnvFile {
  const all: EnvFile = new Map()
  for (const path of paths) {
    if (!isFile(path)) throw new ComposeError(o.from ?? nowhere, `couldn't find env file: ${path}`)
    const found = parseDotenv(readSource({ path }), {
      file: shownFile(path),
      lookup: (name) => all.get(name)?.value ?? environment.get(name),
      placeOf: (name) => all.get(name)?.at ?? sources.get(name) ?? nowhere,
      missing: (name) => o.warn(unset(name)),
    })
    addLater(all, found)
  }
  return all
}

/** Values of a later file instead of those of the files before it. */
export function addLater(all: EnvFile, later: EnvFile): void {
  for (const [name, { value, at }] of later) {
    const before = all.get(name)
    all.set(name, { value, at: before ? placedOver(at, before) : at })
  }
}

export function unset(name: string): string {
  return `The ${JSON.stringify(name)} variable is not set. Defaulting to a blank string.`
}

/** Both together; what the surroundings have stays. */
export function beneath(known: Surroundings, found: EnvFile): Surroundings {
  const environment = new Map(known.environment)
  const sources = new Map(known.sources)
  for (const [name, { value, at }] of found) {
    const source = sources.get(name) ?? nowhere
    if (!environment.has(name)) {
      environment.set(name, value)
      sources.set(name, at)
    } else if (!samePlace(source, at)) sources.set(name, placedOver(source, { value, at }))
  }
  return { environment, sources }
}

/** The same file is read twice when it is that of the folder and of the project. */
function samePlace(a: Place, b: Place): boolean {
  return a.file === b.file && a.line === b.line
}
