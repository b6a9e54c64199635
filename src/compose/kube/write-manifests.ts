import { Fields, type Out } from '../out.ts'
import { writeYaml } from '../yaml/write-yaml.ts'
import type { Manifest } from './translation.ts'

/** One document of YAML, keys in the order in which they were made. */
export function writeManifest(manifest: Manifest): string {
  return writeYaml(outOf(manifest))
}

function outOf(value: unknown): Out {
  if (Array.isArray(value)) return value.map(outOf)
  if (typeof value === 'object' && value !== null)
    return new Fields(Object.entries(value).map(([key, each]) => [key, outOf(each)]))
  return value as Out // manifests hold JSON and nothing else
}
