import { formatPlatform, hostPlatform, platformOf, suits, type Image } from '../image/index.ts'
import { hostFacts } from '../runtime/index.ts'
import type { HostConfig } from '../wire/container.ts'

/** What a client is told of a container that is made nevertheless. Docker's texts. */
export function createWarnings(
  image: Image,
  o: { hostConfig: HostConfig; platform: string | undefined; swapLimit?: boolean },
): string[] {
  const { hostConfig, platform, swapLimit = hostFacts().swapLimit } = o
  const has = platformOf(image.config)
  const own = hostPlatform()
  const warnings: string[] = []
  if (platform === undefined && !suits(has, own))
    warnings.push(
      `The requested image's platform (${formatPlatform(has)}) does not match the detected host platform (${formatPlatform(own)}) and no specific platform was requested`,
    )
  if (hostConfig.Memory && !swapLimit)
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    )
  if (hostConfig.OomKillDisable && !hostConfig.Memory)
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    )
  const publishes = Object.keys(hostConfig.PortBindings ?? {}).length > 0
  if (hostConfig.NetworkMode === 'host' && publishes)
    warnings.push('Published ports are discarded when using host network mode')
  return warnings
}
