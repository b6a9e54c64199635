import { EngineError, hasCode } from '../../lib/errors.ts'
import { parseJsonBake } from './bake-json.ts'
import { parseHcl } from './hcl-parser.ts'
import { HclError, type Body } from './hcl-syntax.ts'

const { existsSync, readFileSync } = process.getBuiltinModule('node:fs')

/** Later ones are laid over earlier ones. */
const defaults = [
  'docker-bake.json',
  'docker-bake.hcl',
  'docker-bake.override.json',
  'docker-bake.override.hcl',
]
const composeFiles = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml']

/** The files of `-f`, or those that bake looks for. `warn` is told of what is left out. */
export function loadBakeFiles(files: readonly string[], warn: (text: string) => void): Body[] {
  if (files.length > 0) return files.map((file) => parseFile(file, readFile(file)))
  const found = defaults.filter((file) => existsSync(file))
  const compose = composeFiles.find((file) => existsSync(file))
  if (found.length === 0)
    throw compose === undefined
      ? new EngineError('invalid', "couldn't find a bake definition")
      : new EngineError('unsupported', `bake does not read Compose files yet: ${compose}`)
  if (compose !== undefined) warn(`WARNING: bake does not read Compose files yet: ${compose} was left out\n`)
  return found.map((file) => parseFile(file, readFile(file)))
}

function parseFile(file: string, text: string): Body {
  if (/\.ya?ml$/i.test(file))
    throw new EngineError('unsupported', `bake does not read Compose files yet: ${file}`)
  if (/\.json$/i.test(file)) return parseJsonBake(text, file)
  if (/\.hcl$/i.test(file)) return parseHcl(text, file)
  if (!text.trimStart().startsWith('{')) return parseHcl(text, file)
  try {
    return parseJsonBake(text, file)
  } catch (error) {
    if (!(error instanceof HclError)) throw error
    return parseHcl(text, file)
  }
}

function readFile(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'EISDIR')) throw cause
    throw new EngineError('invalid', `open ${file}: no such file or directory`, { cause })
  }
}
