/** A Compose application in a registry, as docker compose publishes it: a manifest whose layers are Compose files and env files. */
import { z } from 'zod'

export const projectType = 'application/vnd.docker.compose.project'
export const fileType = 'application/vnd.docker.compose.file+yaml'
export const envFileType = 'application/vnd.docker.compose.envfile'
/** Of the empty configuration where registries know no artifact types (OCI 1.0): it tells what the manifest is. */
export const emptyConfigType = 'application/vnd.docker.compose.config.empty.v1+json'

export const annotation = {
  version: 'com.docker.compose.version',
  /** The name of the file. */
  file: 'com.docker.compose.file',
  envFile: 'com.docker.compose.envfile',
  /** `true`: a file that others extend, and no part of the project by itself. */
  extends: 'com.docker.compose.extends',
} as const

/** More than any application has, less than what would fill a disk. */
const maxLayers = 200
export const maxLayerBytes = 4 << 20

const descriptor = z.object({
  mediaType: z.string().max(255),
  digest: z.string().max(200),
  size: z.number().int().min(0),
  annotations: z.record(z.string(), z.string()).optional(),
})

export const projectManifest = z.object({
  artifactType: z.string().max(255).optional(),
  config: z.object({ mediaType: z.string().max(255) }).optional(),
  layers: z.array(descriptor).max(maxLayers),
})

export type ProjectManifest = z.infer<typeof projectManifest>

export function isProject({ artifactType = '', config }: ProjectManifest): boolean {
  return artifactType === projectType || (artifactType === '' && config?.mediaType === emptyConfigType)
}
