import { EngineError, hasCode } from '../../lib/errors.ts'

const { readFileSync, statSync } = process.getBuiltinModule('node:fs')

/** Docker's. */
const maxSize = 500 << 10

/**
 * `--secret id=…[,src=…|,env=…][,type=file|env]` → values by id. With neither source, a variable named like the id, else a
 * file. A variable that is not set gives nothing, as with docker: a step that requires it fails.
 */
export function readSecrets(flags: readonly string[], env: NodeJS.ProcessEnv): Map<string, Uint8Array> {
  const secrets = new Map<string, Uint8Array>()
  for (const flag of flags) {
    const { id, file, variable } = parse(flag, env)
    const value = variable === '' ? readFile(id, file) : env[variable]
    if (value === undefined) continue
    const data = Buffer.from(value)
    if (data.length > maxSize) throw invalid(`invalid secret ${id}. maximum size ${maxSize}B`)
    secrets.set(id, data)
  }
  return secrets
}

function parse(flag: string, env: NodeJS.ProcessEnv): { id: string; file: string; variable: string } {
  let [id, file, variable, type] = ['', '', '', '']
  for (const field of flag.split(',')) {
    const equals = field.indexOf('=')
    if (equals < 0) throw invalid(`invalid field '${field}' must be a key=value pair`)
    const value = field.slice(equals + 1)
    const key = field.slice(0, equals).toLowerCase()
    if (key === 'id') id = value
    else if (key === 'src' || key === 'source') file = value
    else if (key === 'env') variable = value
    else if (key !== 'type') throw invalid(`unexpected key '${key}' in '${field}'`)
    else if (value === 'file' || value === 'env') type = value
    else throw invalid(`unsupported secret type ${JSON.stringify(value)}`)
  }
  if (id === '') throw invalid('secret missing ID')
  if (type === 'env' && variable === '') [variable, file] = [file, '']
  if (variable !== '' && file !== '') throw invalid(`secret ${id}: src and env exclude each other`)
  if (variable === '' && file === '') {
    if (type !== 'file' && env[id] !== undefined) variable = id
    else file = id
  }
  return { id, file, variable }
}

function readFile(id: string, path: string): Buffer {
  try {
    if (statSync(path).size > maxSize) throw invalid(`invalid secret ${id}. maximum size ${maxSize}B`)
    return readFileSync(path)
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw cause
    throw new EngineError('invalid', `failed to stat ${path}: ${reasonOf(cause)}`, { cause })
  }
}

const reasonOf = (cause: unknown): string =>
  hasCode(cause, 'EACCES')
    ? 'permission denied'
    : hasCode(cause, 'EISDIR')
      ? 'it is a directory'
      : 'no such file or directory'

const invalid = (message: string) => new EngineError('invalid', message)
