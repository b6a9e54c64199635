import type { Op } from '../../lib/op.ts'
import { parseReference, withDefaultTag, type Reference } from '../../lib/reference.ts'
import type { Repository } from '../../registry/index.ts'
import type { ApplicationFile } from './application-files.ts'

export interface PublishOptions {
  /** Where it goes, with a tag. */
  readonly target: Reference
  readonly files: readonly ApplicationFile[]
  /** 1.1 where the registry takes it when absent. */
  readonly version: '1.0' | '1.1' | undefined
  /** `--app`: images that go into the same repository; none without it. */
  readonly images: readonly string[] | undefined
  readonly open: (domain: string, path: string, access: 'pull' | 'push') => Promise<Repository>
}

/** Puts an application into a registry, where `oci://…` finds it. */
export async function publishApplication(op: Op, o: PublishOptions): Promise<void> {
  // Who does not publish loads no client of registries.
  const [{ pushApplication, pushImageList }, { copyImage }] = await Promise.all([
    import('./push-application.ts'),
    import('./copy-image.ts'),
  ])
  const { domain, path, tag = 'latest' } = o.target
  const to = await o.open(domain, path, 'push')
  const application = await pushApplication(op, to, { tag, files: o.files, version: o.version })
  if (!o.images) return
  const images = []
  for (const image of o.images) {
    const source = withDefaultTag(parseReference(image))
    const from = await o.open(source.domain, source.path, 'pull')
    const reference = source.digest ?? source.tag ?? 'latest'
    images.push(await copyImage(op, reference, { from, to, sameRegistry: source.domain === domain }))
  }
  await pushImageList(op, to, { application, images })
}
