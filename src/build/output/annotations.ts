import { EngineError } from '../../lib/errors.ts'

/** Where an annotation stands. */
type Place = 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor'

export type Annotations = Map<Place, Record<string, string>>

/**
 * BuildKit's attribute of an exporter: `annotation[-PLACE][[PLATFORM]].KEY`. False when the name is none. There is one
 * platform here, so a platform narrows nothing.
 */
export function readAnnotation(into: Annotations, name: string, value: string): boolean {
  const match =
    /^annotation(?:-(manifest|manifest-descriptor|index|index-descriptor))?(?:\[[^\]]*\])?\.(.+)$/.exec(name)
  if (!match) {
    if (/^annotation\b/.test(name))
      throw new EngineError('invalid', `invalid annotation ${JSON.stringify(name)}`)
    return false
  }
  const place = (match[1] ?? 'manifest') as Place
  const known = into.get(place) ?? {}
  into.set(place, { ...known, [match[2] ?? '']: value })
  return true
}
