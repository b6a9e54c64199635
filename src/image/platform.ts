import { EngineError } from '../lib/errors.ts'
import type { Platform } from '../wire/registry.ts'

/** In Go's words, which image configs use. */
export function hostArchitecture(): string {
  return { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm' }[process.arch as string] ?? process.arch
}

/** What this host runs. */
export function hostPlatform(): Platform {
  return normalize({ os: 'linux', architecture: hostArchitecture() })
}

/** `linux/arm64`, `linux/arm/v7`, or an architecture alone. Throws kind `invalid`. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/')
  if (parts.length > 3 || parts.some((part) => !/^\w[\w.-]*$/.test(part)))
    throw new EngineError(
      'invalid',
      `${JSON.stringify(text)} is an invalid platform: want os/architecture[/variant]`,
    )
  const [first = '', second, variant] = parts
  if (second === undefined) {
    if (first === 'linux') return hostPlatform()
    return normalize({ os: 'linux', architecture: first })
  }
  return normalize({ os: first, architecture: second, ...(variant !== undefined && { variant }) })
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`
}

/** The names that images use, whatever a person or a registry wrote; a variant that says nothing is left out. */
export function normalize(platform: Platform): Platform {
  const { os } = platform
  let { architecture, variant = '' } = platform
  switch (architecture) {
    case 'x86_64':
    case 'x86-64':
      architecture = 'amd64'
      break
    case 'aarch64':
      architecture = 'arm64'
      break
    case 'i386':
      architecture = '386'
      break
    case 'armhf':
      ;[architecture, variant] = ['arm', 'v7']
      break
    case 'armel':
      ;[architecture, variant] = ['arm', 'v6']
      break
  }
  if (architecture === 'arm64' && ['8', 'v8', ''].includes(variant)) variant = ''
  if (architecture === 'arm') variant = variant === '' ? 'v7' : variant.replace(/^(?=\d)/, 'v')
  if (architecture === 'amd64' && variant === 'v1') variant = ''
  return { os, architecture, ...(variant !== '' && { variant }) }
}

/**
 * Which of the offers suits best; undefined when none does. Machines run what older ones of their kind ran: the newest
 * variant that is not beyond the wanted one comes first.
 */
export function choosePlatform<T extends { platform: Platform | undefined }>(
  offers: readonly T[],
  wanted: Platform,
): T | undefined {
  const want = normalize(wanted)
  let best: { offer: T; level: number } | undefined
  for (const offer of offers) {
    if (!offer.platform) continue
    const has = normalize(offer.platform)
    if (has.os !== want.os || has.architecture !== want.architecture) continue
    const level = levelOf(has)
    if (level > levelOf(want)) continue
    if (!best || level > best.level) best = { offer, level }
  }
  return best?.offer
}

export function suits(platform: Platform, wanted: Platform): boolean {
  return choosePlatform([{ platform }], wanted) !== undefined
}

/** `v7` → 7; none: the architecture's first. */
function levelOf({ architecture, variant }: Platform): number {
  const first = architecture === 'arm64' ? 8 : 1
  return Number(/^v(\d+)/.exec(variant ?? '')?.[1] ?? first)
}

/** What an image says that it is for. */
export function platformOf(image: { os: string; architecture: string; variant?: string }): Platform {
  const { os, architecture, variant } = image
  return { os, architecture, ...(variant !== undefined && variant !== '' && { variant }) }
}
