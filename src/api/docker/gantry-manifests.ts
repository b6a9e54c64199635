import { z } from 'zod'
import type { Engine } from '../../engine/index.ts'
import { parseReference } from '../../lib/reference.ts'
import type { ManifestUpload, RemoteManifest } from '../../wire/registry.ts'
import { decode, readJson } from './body.ts'
import { authFor, registryConfig } from './registry-auth.ts'
import { sendJson } from './respond.ts'
import type { Call, Route } from './route.ts'

const uploadShape: z.ZodType<ManifestUpload> = z.strictObject({
  mediaType: z.string().min(1).max(200),
  raw: z.base64(),
  sources: z.array(z.string()).max(1000),
})

/** Gantry's own: manifests as registries keep them, for `manifest` and `buildx imagetools`. */
export function gantryManifestRoutes(engine: Pick<Engine, 'distribution'>): Route[] {
  return [
    { method: 'GET', path: '/gantry/manifest', handler: (call) => read(engine, call) },
    { method: 'POST', path: '/gantry/manifest', handler: (call) => write(engine, call) },
  ]
}

async function read({ distribution }: Pick<Engine, 'distribution'>, call: Call): Promise<void> {
  const all = registryConfig(call.request)
  const auth = (domain: string) => authFor(all, domain)
  const reference = parseReference(call.query.text('name'))
  const insecure = call.query.flag('insecure')
  const { manifest, platform } = await distribution.readManifest(call.op, reference, { auth, insecure })
  const { mediaType, digest, data } = manifest
  const answer: RemoteManifest = {
    mediaType,
    digest,
    size: data.length,
    ...(platform && { platform }),
    raw: data.toString('base64'),
  }
  sendJson(call.response, answer)
}

async function write({ distribution }: Pick<Engine, 'distribution'>, call: Call): Promise<void> {
  const all = registryConfig(call.request)
  const auth = (domain: string) => authFor(all, domain)
  const { mediaType, raw, sources } = decode(uploadShape, await readJson(call.request))
  const digest = await distribution.writeManifest(call.op, parseReference(call.query.text('name')), {
    auth,
    insecure: call.query.flag('insecure'),
    mediaType,
    data: Buffer.from(raw, 'base64'),
    sources: sources.map((source) => parseReference(source)),
  })
  sendJson(call.response, { digest })
}
