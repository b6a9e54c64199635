import { alignTable } from '../text.ts'
import { command, ExitError, type Context } from '../command.ts'
import { bool, string } from '../flags.ts'

/** There is one builder, the daemon: what buildx calls an instance is this. */
const builder = 'default'

export const ls = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { format: string('Format the output: "table" or "json"', { initial: 'table' }) },
  async run(context, { format }) {
    const node = await nodeOf(context)
    if (format === 'json') {
      const { name, status, version, platforms } = node
      const nodes = [{ Name: name, Endpoint: name, Status: status, Version: version, Platforms: platforms }]
      context.out(`${JSON.stringify({ Name: builder, Driver: 'docker', Current: true, Nodes: nodes })}\n`)
      return
    }
    if (format !== 'table') throw new ExitError(1, `--format ${format}: there are table and json`)
    context.out(
      alignTable([
        ['NAME/NODE', 'DRIVER/ENDPOINT', 'STATUS', 'BUILDKIT', 'PLATFORMS'],
        [`${builder}*`, 'docker', '', '', ''],
        [` \\_ ${node.name}`, ` \\_ ${node.name}`, node.status, node.version, node.platforms.join(', ')],
      ]),
    )
  },
})

export const inspect = command({
  usage: '[NAME]',
  arguments: [0, 1],
  flags: { bootstrap: bool('Ensure builder has booted before inspecting: it always has') },
  async run(context, _flags, [name = builder]) {
    known(name)
    const node = await nodeOf(context)
    context.out(
      `Name:   ${builder}\nDriver: docker\n\nNodes:\n` +
        `Name:             ${node.name}\nEndpoint:         ${node.name}\nStatus:           ${node.status}\n` +
        `BuildKit version: ${node.version}\nPlatforms:        ${node.platforms.join(', ')}\n`,
    )
  },
})

export const use = command({
  usage: '[OPTIONS] NAME',
  arguments: [1, 1],
  flags: {
    default: bool('Set builder as default for current context'),
    global: bool('Builder persists context changes'),
  },
  run(_context, _flags, [name = '']) {
    known(name)
    return Promise.resolve()
  },
})

export const version = command({
  usage: '',
  arguments: [0, 0],
  flags: {},
  async run(context) {
    const { clientVersion } = await import('./version.ts')
    context.out(`gantry buildx ${(await clientVersion()).Version}\n`)
  },
})

/** Throws docker's words for any but the one there is. */
export function known(name: string): void {
  if (name !== '' && name !== builder) throw new ExitError(1, `ERROR: no builder "${name}" found`)
}

async function nodeOf(context: Context) {
  const found = await context.client.system.version()
  return {
    name: builder,
    status: 'running',
    version: `gantry-${found.Version}`,
    platforms: [`${found.Os}/${found.Arch}`],
  }
}
