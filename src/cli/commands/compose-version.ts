import { command } from '../command.ts'
import { bool, string } from '../flags.ts'
import { EngineError } from '../../lib/errors.ts'
import { clientVersion } from './version.ts'

export const composeVersion = command({
  usage: '[OPTIONS]',
  flags: {
    format: string('Format the output. Values: [pretty | json]', { short: 'f' }),
    short: bool("Shows only Compose's version number"),
  },
  arguments: [0, 0],
  run: async (context, { format, short }) => {
    const { Version: version } = await clientVersion()
    if (short) context.out(`${version}\n`)
    else if (format === 'json') context.out(`${JSON.stringify({ version: `v${version}` })}\n`)
    else if (format === '' || format === 'pretty') context.out(`Gantry Compose version v${version}\n`)
    else throw new EngineError('invalid', `format value "${format}" could not be parsed: pretty or json`)
  },
})
