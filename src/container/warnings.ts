import { formatPlatform, hostPlatform, platformOf, suits, type Image } from '../image/index.ts'
import { hostFacts, type HostFacts } from '../runtime/index.ts'
import type { HostConfig } from '../wire/container.ts'

/** What a client is told of a container that is made nevertheless. Docker's texts. */
export function createWarnings(
  image: Image,
  o: {
    hostConfig: HostConfig
    platform: string | undefined
    facts?: Pick<HostFacts, 'swapLimit' | 'cgroup'>
  },
): string[] {
  const { hostConfig, platform, facts = hostFacts() } = o
  const has = platformOf(image.config)
  const own = hostPlatform()
  const warnings: string[] = []
  if (platform === undefined && !suits(has, own))
    warnings.push(
      `The requested image's platform (${formatPlatform(has)}) does not match the detected host platform (${formatPlatform(own)}) and no specific platform was requested`,
    )
  warnings.push(...limitWarnings(hostConfig, facts))
  const publishes = Object.keys(hostConfig.PortBindings ?? {}).length > 0
  if (hostConfig.NetworkMode === 'host' && publishes)
    warnings.push('Published ports are discarded when using host network mode')
  return warnings
}

/** What of the limits this kernel cannot do: the container goes without. */
export function limitWarnings(h: HostConfig, facts: Pick<HostFacts, 'swapLimit' | 'cgroup'>): string[] {
  const warnings: string[] = []
  if (h.Memory && h.MemorySwap !== -1 && !facts.swapLimit)
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    )
  const isV2 = facts.cgroup === 'v2'
  if (h.MemorySwappiness != null && h.MemorySwappiness !== -1 && isV2)
    warnings.push(
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    )
  if (h.OomKillDisable && isV2)
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.')
  else if (h.OomKillDisable && !h.Memory)
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    )
  return warnings
}
