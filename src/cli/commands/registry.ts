/** registry serve. */
import { registryOptions, type RegistryOption } from '../../wire/registry-options.ts'
import { command } from '../command.ts'
import { value, type Flag } from '../flags.ts'

const { fileURLToPath } = process.getBuiltinModule('node:url')

const options: readonly RegistryOption[] = registryOptions

/** The server decodes them: here they are text. */
function flagOf(option: RegistryOption): Flag<string> {
  const kinds = {
    string: 'string',
    path: 'file',
    size: 'bytes',
    integer: 'int',
    duration: 'duration',
    level: 'string',
    boolean: '',
  }
  return {
    ...value(option.value ?? kinds[option.type], option.help, '', (text: string) => text, {
      ...(option.initial !== undefined && { shown: option.initial }),
    }),
    bare: option.type === 'boolean' ? 'true' : undefined,
  }
}

export const serve = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: Object.fromEntries(options.map((option) => [option.name, flagOf(option)])),
  run(_, flags, __, given) {
    const program = fileURLToPath(new URL('../../../bin/gantry-registry', import.meta.url))
    const argv = [...given].map((name) => `--${name}=${flags[name] ?? ''}`)
    const { NODE_COMPILE_CACHE: _cache, ...environment } = process.env
    // In place of this process: signals and the exit code are the server's own.
    process.execve?.(program, [program, ...argv], environment)
    throw new Error('this Node cannot become another program')
  },
})
