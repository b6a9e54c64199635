import type { Image, OciImage } from '../../image/index.ts'
import { familiarName, parseReference } from '../../lib/reference.ts'
import type { BuildRequest } from '../request.ts'

/** A base image, by the name that the Dockerfile has for it. */
export interface Material {
  readonly reference: string
  readonly image: Image
}

/** How a build came about, in the words of SLSA 0.2. */
export function provenanceOf(o: {
  mode: 'min' | 'max'
  request: BuildRequest
  materials: readonly Material[]
  config: OciImage
  id: string
  dockerfile: { readonly name: string; readonly text: string }
  startedAt: string
}): object {
  const { mode, request, config } = o
  const { architecture, os, variant } = config
  const platform = [os, architecture, ...(variant ? [variant] : [])].join('/')
  // As BuildKit: values of arguments and labels may be private, and stand in the full form alone.
  const args =
    mode === 'max'
      ? {
          ...prefixed('build-arg', request.buildArgs),
          ...prefixed('label', request.labels),
          ...(request.networkMode !== undefined && { 'force-network-mode': request.networkMode }),
          ...(request.noCache && { 'no-cache': '' }),
        }
      : {}
  return {
    builder: { id: '' },
    buildType: 'urn:gantry:build:dockerfile:v1',
    materials: o.materials.map((material) => materialOf(material, platform)),
    invocation: {
      configSource: { entryPoint: o.dockerfile.name },
      parameters: {
        frontend: 'dockerfile.v0',
        args: {
          ...args,
          ...(request.target !== undefined && request.target !== '' && { target: request.target }),
        },
      },
      environment: { platform },
    },
    ...(mode === 'max' && {
      buildConfig: {
        dockerfile: { name: o.dockerfile.name, data: Buffer.from(o.dockerfile.text).toString('base64') },
        history: (config.history ?? []).map((row) => row.created_by ?? ''),
      },
    }),
    metadata: {
      buildInvocationID: o.id,
      buildStartedOn: o.startedAt,
      buildFinishedOn: new Date().toISOString(),
      completeness: { parameters: mode === 'max', environment: true, materials: false },
      reproducible: request.reproducible ?? false,
    },
  }
}

function materialOf({ reference, image }: Material, platform: string): object {
  const parsed = parseReference(reference)
  const name = familiarName(parsed)
  // The digest of a manifest where it came from a registry, else that of the configuration.
  const digest = image.digests
    .find((each) => each.startsWith(`${parsed.domain}/${parsed.path}@`))
    ?.split('@')[1]
  return {
    uri: `pkg:docker/${name}@${encodeURIComponent(parsed.tag ?? 'latest')}?platform=${encodeURIComponent(platform)}`,
    digest: { sha256: (digest ?? image.id).replace(/^sha256:/, '') },
  }
}

const prefixed = (prefix: string, pairs: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(pairs).map(([key, value]) => [`${prefix}:${key}`, value]))
