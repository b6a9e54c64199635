import { hostPlatform, type Image } from '../image/index.ts'
import type { Op } from '../lib/op.ts'
import type { Platform } from '../wire/registry.ts'
import type { Attester } from './attest/attester.ts'
import type { Program } from './dockerfile/stages.ts'
import { convert, convertAll, type ConvertOptions } from './graph/convert.ts'
import type { ImageDraft } from './graph/image-draft.ts'
import type { Io } from './solver/vertex.ts'

/** One of the images that a build makes. */
export interface Target {
  readonly platform: Platform
  readonly draft: ImageDraft
  readonly attester: Attester
}

/** What the Dockerfile says for each of the platforms; none: for what its base images are for, as a rule this host. */
export async function readTargets(
  op: Op,
  program: Program,
  o: Omit<ConvertOptions, 'platform' | 'findImage'> & {
    platforms: readonly Platform[]
    newAttester: () => Attester
    findImage: (op: Op, ref: string, found: { io: Io; platform?: Platform }) => Promise<Image>
  },
): Promise<Target[]> {
  const { platforms, newAttester, findImage, ...common } = o
  const attesters: Attester[] = []
  const optionsFor = (): ConvertOptions => {
    const attester = newAttester()
    attesters.push(attester)
    return {
      ...common,
      findImage: async (inner, ref, found) => {
        const image = await findImage(inner, ref, found)
        attester.usesImage(ref, image)
        return image
      },
    }
  }
  const [only, ...others] = platforms
  const drafts =
    others.length === 0
      ? [await convert(op, program, { ...optionsFor(), ...(only && { platform: only }) })]
      : await convertAll(
          op,
          program,
          platforms.map((platform) => ({ ...optionsFor(), platform })),
        )
  return drafts.flatMap((draft, index) => {
    const attester = attesters[index]
    return attester ? [{ platform: platforms[index] ?? hostPlatform(), draft, attester }] : []
  })
}
