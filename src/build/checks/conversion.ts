import type { Image } from '../../image/index.ts'
import { digestOf } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Program } from '../dockerfile/stages.ts'
import { BuildError } from '../dockerfile/source.ts'
import { Converter } from '../graph/convert.ts'
import { hostArchitecture } from '../graph/scope.ts'
import { noWorks } from '../graph/works.ts'
import { Progress } from '../solver/progress.ts'

interface Setting {
  readonly buildArgs: Readonly<Record<string, string>>
  readonly target?: string
  /** Throws kind `not-found`. */
  findImage(reference: string): Image
}

/**
 * The first fault that a build would find between reading the Dockerfile and its first step: a stage that is not there, a port or mode
 * that is none, a circle. All stages are looked at; base images that are not here stand for empty ones.
 */
export async function conversionFault(
  op: Op,
  program: Program,
  setting: Setting,
): Promise<BuildError | undefined> {
  try {
    const converter = new Converter(program, {
      buildArgs: setting.buildArgs,
      ...(setting.target !== undefined && { target: setting.target }),
      network: 'bridge',
      allowHostNetwork: true,
      works: noWorks,
      contexts: new Map(),
      progress: new Progress(() => {}),
      findImage: (_op, ref, { platform }) => Promise.resolve(imageOf(setting, ref, platform)),
    })
    converter.target()
    for (const stage of program.stages) await converter.stage(op, stage)
    return undefined
  } catch (error) {
    if (error instanceof BuildError) return error
    if (!(error instanceof EngineError)) throw error
    const last = program.stages.at(-1)
    if (!last) throw error
    const at = { source: program.file.source, range: last.from.node.range, cause: error }
    return new BuildError(error.kind, error.message, at)
  }
}

type Platform = { readonly os: string; readonly architecture: string } | undefined

function imageOf(setting: Setting, reference: string, platform: Platform): Image {
  const { os, architecture } = platform ?? { os: 'linux', architecture: hostArchitecture() }
  try {
    const found = setting.findImage(reference)
    if (found.config.os === os && found.config.architecture === architecture) return found
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== 'not-found') throw error
  }
  return {
    id: digestOf(reference),
    config: { architecture, os, rootfs: { type: 'layers', diff_ids: [] } },
    layers: [],
    size: 0,
    createdAt: new Date(0).toISOString(),
    refs: [],
    digests: [],
  }
}
