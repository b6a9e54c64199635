/** What became of a container's files: diff, export, commit. */
import { familiarName, parseReference } from '../../lib/reference.ts'
import { saveArchive } from '../archive-files.ts'
import { command, ExitError, type Context } from '../command.ts'
import { bool, list, string, type Values } from '../flags.ts'

const letters = ['C', 'A', 'D'] as const

export const diff = command({
  usage: 'CONTAINER',
  arguments: [1, 1],
  flags: {},
  async run(context, _flags, [name = '']) {
    if (name === '') throw new ExitError(1, 'Container name cannot be empty')
    const changes = (await context.client.containers.changes(name)) ?? []
    context.out(changes.map(({ Kind, Path }) => `${letters[Kind]} ${Path}\n`).join(''))
  },
})

export const exportContainer = command({
  usage: '[OPTIONS] CONTAINER',
  arguments: [1, 1],
  flags: { output: string('Write to a file, instead of STDOUT', { short: 'o' }) },
  run: (context, { output }, [name = '']) => exportTo(context, name, output),
})

/** The container's files as a tar; without a file's name on standard output. */
export async function exportTo(context: Context, name: string, output: string): Promise<void> {
  const open = () => context.client.containers.export(name)
  await saveArchive(output, { what: 'export container', open })
}

export const commitFlags = {
  author: string('Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', { short: 'a' }),
  change: list('Apply Dockerfile instruction to the created image', { short: 'c' }),
  message: string('Commit message', { short: 'm' }),
  pause: bool('Pause container during commit', { short: 'p', initial: true }),
}

export const commit = command({
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  arguments: [1, 2],
  flags: commitFlags,
  async run(context, flags, [container = '', name]) {
    context.out(`${await commitAs(context, { container, name, flags })}\n`)
  },
})

/** Returns the id of the image that was made. */
export async function commitAs(
  context: Context,
  o: { container: string; name: string | undefined; flags: Values<typeof commitFlags> },
): Promise<string> {
  const { flags } = o
  const reference = o.name === undefined ? undefined : parseReference(o.name)
  if (reference?.digest !== undefined)
    throw new ExitError(1, 'refusing to create a tag with a digest reference')
  const { Id } = await context.client.containers.commit(o.container, {
    author: flags.author || undefined,
    comment: flags.message || undefined,
    changes: flags.change,
    pause: flags.pause,
    repo: reference && familiarName(reference),
    tag: reference && (reference.tag ?? 'latest'),
  })
  return Id
}
