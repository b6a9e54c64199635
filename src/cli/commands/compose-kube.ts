import { imageOf, kubeManifests, writeManifest, type Project } from '../../compose/index.ts'
import { EngineError, kindOf, messageOf } from '../../lib/errors.ts'
import type { ImageConfig } from '../../wire/container.ts'
import { command, type Context } from '../command.ts'
import { openProject, warnOnce } from '../compose/open-project.ts'
import { bool, string } from '../flags.ts'
import { alignTable } from '../text.ts'
import { visible } from '../../lib/visible.ts'

const { mkdirSync, writeFileSync } = process.getBuiltinModule('node:fs')
const { join } = process.getBuiltinModule('node:path')

type Translated = ReturnType<typeof kubeManifests>

export const composeKube = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    namespace: string('Namespace of all objects', { short: 'n' }),
    'no-image': bool('Leave out ports and health checks that images name; the engine is not asked'),
    output: string('Write a file for each object into this folder (default stdout)', { short: 'o' }),
    quiet: bool('Do not list what should be looked at', { short: 'q' }),
    strict: bool('Fail, and write nothing, if anything cannot be translated'),
    'volume-size': string('Storage that each volume asks for', { initial: '1Gi' }),
  },
  arguments: [0, Infinity],
  run: async (
    context,
    { namespace, 'no-image': noImage, output, quiet, strict, 'volume-size': volumeSize },
    services,
  ) => {
    if (!/^\d+(?:\.\d+)?(?:[kMGTPE]|[KMGTPE]i)?$/.test(volumeSize))
      throw new EngineError(
        'invalid',
        `--volume-size: ${JSON.stringify(volumeSize)} is no size of Kubernetes, such as 500Mi or 10Gi`,
      )
    if (!/^(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)?$/.test(namespace))
      throw new EngineError(
        'invalid',
        `--namespace: Kubernetes allows no such name: ${JSON.stringify(namespace)}`,
      )
    const project = await openProject(context, { services, envResolution: true })
    const images = noImage ? new Map<string, ImageConfig>() : await imagesOf(context, project)
    const translated = kubeManifests(project, { namespace, volumeSize, images })
    const lost = translated.notes.filter(({ kind }) => kind === 'lost').length
    if (!quiet || (strict && lost > 0)) tell(context, translated)
    if (strict && lost > 0)
      throw new EngineError(
        'unsupported',
        `${lost} ${lost === 1 ? 'key cannot' : 'keys cannot'} be translated; nothing was written, because of --strict`,
      )
    write(context, translated, output)
  },
})

/** What cannot be asked is left out, and said. */
async function imagesOf(context: Context, project: Project): Promise<Map<string, ImageConfig>> {
  const warn = warnOnce(context)
  const found = new Map<string, ImageConfig>()
  for (const [name, service] of project.services) {
    const image = imageOf(project, name, service)
    try {
      found.set(name, (await context.client.images.inspect(image)).Config)
    } catch (error) {
      const kind = kindOf(error)
      if (kind !== 'not-found' && kind !== 'unavailable') throw error
      const why = kind === 'not-found' ? `image ${image} is not here` : messageOf(error)
      warn(`ports and health checks of the image are not known: ${why}`)
      if (kind === 'unavailable') break
    }
  }
  return found
}

function tell(context: Context, { notes }: Translated): void {
  for (const kind of ['lost', 'hint'] as const) {
    const rows = notes
      .filter((note) => note.kind === kind)
      .map(({ at, path, why }) => [`  ${at.line === 0 ? '-' : `${at.file}:${at.line}`}`, path, visible(why)])
    if (rows.length === 0) continue
    context.err(`${kind === 'lost' ? 'Cannot be translated:' : 'To be looked at:'}\n${alignTable(rows)}`)
  }
}

function write(context: Context, { manifests }: Translated, folder: string): void {
  if (folder === '') return context.out(manifests.map(writeManifest).join('---\n'))
  mkdirSync(folder, { recursive: true })
  for (const manifest of manifests) {
    const path = join(folder, `${manifest.metadata.name}-${manifest.kind.toLowerCase()}.yaml`)
    writeFileSync(path, writeManifest(manifest), { mode: manifest.kind === 'Secret' ? 0o600 : 0o644 })
  }
  context.err(`Wrote ${manifests.length} objects to ${folder}\n`)
}
