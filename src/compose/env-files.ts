/** Env files of a project: one after the other, each seeing what those before it set. */
import { parseDotenv, type EnvFile } from './dotenv.ts'
import { ComposeError, nowhere, type Place } from './node.ts'
import { isFile, readSource, shownFile, type Environment } from './scope.ts'

/** Variables of `.env` and `--env-file`; the surroundings win where a text names a variable. */
export function readEnvFiles(
  paths: readonly string[],
  environment: Environment,
  o: { readonly warn: (text: string) => void; readonly from?: Place },
): EnvFile {
  const all: EnvFile = new Map()
  for (const path of paths) {
    if (!isFile(path)) throw new ComposeError(o.from ?? nowhere, `couldn't find env file: ${path}`)
    const found = parseDotenv(readSource({ path }), {
      file: shownFile(path),
      lookup: (name) => all.get(name)?.value ?? environment.get(name),
      missing: (name) => o.warn(unset(name)),
    })
    for (const [name, value] of found) all.set(name, value)
  }
  return all
}

export function unset(name: string): string {
  return `The ${JSON.stringify(name)} variable is not set. Defaulting to a blank string.`
}

/** Both together; what `environment` has stays. */
export function beneath(environment: Environment, found: EnvFile): Environment {
  const all = new Map(environment)
  for (const [name, { value }] of found) if (!all.has(name)) all.set(name, value)
  return all
}
