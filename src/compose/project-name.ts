/** The name of a project: told, of the environment, of a file, of the folder. */
import { basename } from 'node:path'
import { ComposeError, get, nowhere, printed } from './node.ts'
import { readSource, shownFile, type Environment, type SourceFile } from './scope.ts'
import { substitute } from './template.ts'
import { readYaml } from './yaml/read-yaml.ts'

interface Options {
  /** `-p`. */
  readonly told: string
  readonly files: readonly SourceFile[]
  readonly folder: string
  readonly environment: Environment
  readonly interpolation: boolean
}

export function projectName({ told, files, folder, environment, interpolation }: Options): string {
  const chosen = told || environment.get('COMPOSE_PROJECT_NAME')
  if (chosen) {
    if (chosen !== normalizeName(chosen)) throw new ComposeError(nowhere, invalidName(chosen))
    return chosen
  }
  const written = nameInFiles(files)
  const value = interpolation
    ? substitute(
        written,
        (name) => environment.get(name),
        () => undefined,
      )
    : written
  return normalizeName(value) || normalizeName(basename(folder))
}

/** Docker: letters in lower case, digits, `_` and `-`; the rest falls away. */
function normalizeName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '')
}

function invalidName(name: string): string {
  return `invalid project name ${JSON.stringify(name)}: must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`
}

/** The last one counts. */
function nameInFiles(files: readonly SourceFile[]): string {
  const names = files.flatMap((file) =>
    readYaml(readSource(file), shownFile(file.path)).flatMap(({ root }) => {
      const name = get(root, 'name')
      return name?.kind === 'scalar' && name.value !== null ? [printed(name)] : []
    }),
  )
  return names.at(-1) ?? ''
}
