import { familiar, parseReference } from '../lib/reference.ts'
import type { ImageHistoryItem } from '../wire/image.ts'
import type { Image } from './config.ts'

/** The steps that made an image, newest first. Steps without a layer have size 0; layers without a step are shown too. */
export function historyOf(
  image: Image,
  sizeOf: (diffId: Image['layers'][number]) => number,
): ImageHistoryItem[] {
  const layers = [...image.layers]
  const items: Omit<ImageHistoryItem, 'Id' | 'Tags'>[] = []
  for (const step of image.config.history ?? []) {
    const layer = step.empty_layer ? undefined : layers.shift()
    items.push({
      Created: unixSeconds(step.created),
      CreatedBy: step.created_by ?? '',
      Size: layer === undefined ? 0 : sizeOf(layer),
      Comment: step.comment ?? '',
    })
  }
  for (const layer of layers)
    items.push({ Created: unixSeconds(image.createdAt), CreatedBy: '', Size: sizeOf(layer), Comment: '' })
  const tags = image.refs.map((ref) => familiar(parseReference(ref)))
  return items.toReversed().map((item, index) => ({
    Id: index === 0 ? image.id : '<missing>',
    ...item,
    Tags: index === 0 && tags.length > 0 ? tags : null,
  }))
}

function unixSeconds(text: string | undefined): number {
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? 0 : Math.floor(time / 1000)
}
