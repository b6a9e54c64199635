import { formatPlatform, parsePlatform } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Platform } from '../../wire/registry.ts'

/** Where an annotation stands. */
type Place = 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor'

interface Annotation {
  readonly place: Place
  /** The images that it is for, as `formatPlatform` writes it; absent: all. */
  readonly platform?: string
  readonly key: string
  readonly value: string
}

export type Annotations = readonly Annotation[]

/** BuildKit's attribute of an exporter: `annotation[-PLACE][[PLATFORM]].KEY`. Undefined when the name is none. */
export function readAnnotation(name: string, value: string): Annotation | undefined {
  const match =
    /^annotation(?:-(manifest|manifest-descriptor|index|index-descriptor))?(?:\[([^\]]*)\])?\.(.+)$/.exec(
      name,
    )
  if (!match) {
    if (/^annotation\b/.test(name))
      throw new EngineError('invalid', `invalid annotation ${JSON.stringify(name)}`)
    return undefined
  }
  const [, place = 'manifest', platform, key = ''] = match
  const common = { place: place as Place, key, value }
  // An index is there once for all of its images.
  if (platform === undefined || place.startsWith('index')) return common
  return { ...common, platform: formatPlatform(parsePlatform(platform)) }
}

/** Those of one place; undefined when there are none. */
export function annotationsOf(
  all: Annotations,
  place: Place,
  platform?: Platform,
): Record<string, string> | undefined {
  const own = platform && formatPlatform(platform)
  const found = all.filter((each) => each.place === place && (each.platform ?? own) === own)
  return found.length === 0 ? undefined : Object.fromEntries(found.map(({ key, value }) => [key, value]))
}
