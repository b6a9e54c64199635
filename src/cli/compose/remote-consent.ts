import {
  findProject,
  isRemoteFile,
  loadModel,
  maskSecrets,
  variablesIn,
  type Place,
} from '../../compose/index.ts'
import { shownUrl } from '../../lib/git-url.ts'
import type { Context } from '../command.ts'
import { composeFlags } from '../commands/compose.ts'
import { alignTable, confirm } from '../text.ts'
import { withRemoteFiles } from './remote-files.ts'

/**
 * Docker compose: who starts what comes from elsewhere is told where it is kept, and asked about files that it takes from elsewhere
 * in turn and about the variables in it. Throws when somebody says no.
 */
export async function agreeToRemote(context: Context, { yes }: { yes: boolean }): Promise<void> {
  const flags = composeFlags(context)
  const [main = ''] = flags.files
  if (!isRemoteFile(main)) return
  const { source, tree, remotes } = await withRemoteFiles(context, (found) => {
    const project = findProject(flags, {
      cwd: process.cwd(),
      environment: process.env,
      warn: () => {},
      remotes: found,
    })
    const options = { interpolation: false, normalization: false, pathResolution: false, warn: () => {} }
    const { tree: model } = loadModel(project, { ...options, consistency: false, envResolution: false })
    return { source: project, tree: model, remotes: found }
  })
  const included = [...remotes.keys()].filter((address) => !flags.files.includes(address))
  if (included.length > 0 && !yes) {
    context.out('\nWarning: This Compose project includes files from remote sources:\n')
    for (const address of included) context.out(`  - ${shownUrl(address)}\n`)
    context.out('\nRemote includes could potentially be malicious. Make sure you trust the source.\n')
    if (!(await confirm('Do you want to continue?'))) throw new Error('operation cancelled by user')
  }
  context.out(
    `Your compose stack ${JSON.stringify(shownUrl(main))} is stored in ${JSON.stringify(source.folder)}\n`,
  )
  const variables = variablesIn(tree)
  if (variables.length === 0 || yes) return
  const rows = variables.map(({ name, required, defaultValue }) => {
    const value = source.environment.get(name)
    const where =
      value !== undefined ? sourceOf(source.sources.get(name)) : defaultValue === '' ? 'none' : 'compose file'
    const shown = maskSecrets(value ?? defaultValue, [name])
    return [name, shown === '' ? '<unset>' : shown, where, required ? 'yes' : 'no', defaultValue]
  })
  context.out('\nFound the following variables in configuration:\n')
  context.out(alignTable([['VARIABLE', 'VALUE', 'SOURCE', 'REQUIRED', 'DEFAULT'], ...rows], 0))
  context.out('\n')
  if (!(await confirm('Do you want to proceed with these variables?', { initial: true })))
    throw new Error('operation cancelled by user')
}

function sourceOf(at: Place | undefined): string {
  return at === undefined || at.file === '' ? 'environment' : at.file
}
