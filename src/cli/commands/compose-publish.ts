import {
  applicationFiles,
  checkPublishable,
  publishApplication,
  publishQuestions,
  writeImages,
  type ApplicationFile,
  type Project,
  type PublishOptions,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { parseReference, withDefaultTag } from '../../lib/reference.ts'
import { command, ExitError, type Context } from '../command.ts'
import { openProject } from '../compose/open-project.ts'
import { pinImages } from '../compose/pin-images.ts'
import { withProgress } from '../compose/progress.ts'
import { pushServices } from '../compose/transfer-images.ts'
import { bool, string } from '../flags.ts'
import { confirm } from '../text.ts'
import { composeFlags } from './compose.ts'

const flags = {
  app: bool('Published compose application (includes referenced images)'),
  'oci-version': string('OCI image/artifact specification version (automatically determined by default)'),
  'resolve-image-digests': bool('Pin image tags to digests'),
  'with-env': bool('Include environment variables in the published OCI artifact'),
  yes: bool('Assume "yes" as answer to all prompts', { short: 'y' }),
}

export const composePublish = command({
  usage: '[OPTIONS] REPOSITORY[:TAG]',
  flags,
  arguments: [1, 1],
  async run(context, options, [name = '']) {
    const target = withDefaultTag(parseReference(name))
    if (target.digest !== undefined) throw new EngineError('invalid', 'cannot publish to a digest')
    const version = ociVersion(options['oci-version'])
    const project = await openProject(context, { allResources: true, profiles: ['*'] })
    const withEnv = options['with-env']
    checkPublishable(project, { withEnv })
    const files = applicationFiles(project, { withEnv })
    if (!options.yes)
      for (const question of publishQuestions(project))
        if (!(await confirm(question))) throw new ExitError(1, 'operation cancelled by user')
    await withProgress(context, { title: 'Publishing' }, async (report) => {
      await pushServices(context, project, project.services.keys(), { report, ignoreFailures: true })
      report({ id: name, status: 'working', text: 'publishing' })
      const all = options['resolve-image-digests'] ? [...files, await digestsFile(context, project)] : files
      if (!composeFlags(context).dryRun)
        await push(context, project, { target, version, files: all, app: options.app })
      report({ id: name, status: 'done', text: 'published' })
    })
  },
})

function ociVersion(told: string): '1.0' | '1.1' | undefined {
  if (told === '' || told === '1.0' || told === '1.1') return told || undefined
  throw new EngineError('invalid', `unsupported OCI version: ${told}`)
}

async function digestsFile(context: Context, project: Project): Promise<ApplicationFile> {
  return {
    kind: 'file',
    name: 'image-digests.yaml',
    content: writeImages(await pinImages(context, project), 'yaml'),
  }
}

async function push(
  context: Context,
  project: Project,
  { app, ...o }: Pick<PublishOptions, 'target' | 'version' | 'files'> & { app: boolean },
): Promise<void> {
  const { openRegistries } = await import('../registry-client.ts')
  using registries = openRegistries(context)
  const images = [...project.services.values()].flatMap(({ image }) => (image === '' ? [] : [image]))
  await publishApplication(registries.op, {
    ...o,
    images: app ? [...new Set(images)] : undefined,
    open: (domain, path, access) => registries.repository(domain, path, access),
  })
}
