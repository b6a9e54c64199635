import { capabilityNames } from '../host/proc.ts'
import { EngineError } from '../lib/errors.ts'

/** Docker's set for a container that asks for nothing. */
const defaultCapabilities: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
]

/**
 * Docker's rules: `--privileged` is everything; `--cap-add ALL` everything but what is dropped; `--cap-drop ALL` only
 * what is added; else the default set with both applied. Names with or without `CAP_`, in any case. `available` is
 * what the daemon itself has.
 */
export function resolveCapabilities(o: {
  add: readonly string[]
  drop: readonly string[]
  privileged: boolean
  available: readonly string[]
}): string[] {
  if (o.privileged) return [...o.available]
  const add = o.add.map((name) => normalise('CapAdd', name))
  const drop = o.drop.map((name) => normalise('CapDrop', name))
  for (const name of add) {
    if (name !== 'ALL' && !o.available.includes(name))
      throw new EngineError(
        'invalid',
        `invalid CapAdd: capability not supported by your kernel or not available in the current environment: "${name}"`,
      )
  }
  if (add.includes('ALL')) return o.available.filter((name) => !drop.includes(name))
  if (drop.includes('ALL')) return [...new Set(add)]
  const kept = defaultCapabilities.filter((name) => o.available.includes(name) && !drop.includes(name))
  return [...new Set([...kept, ...add])]
}

function normalise(option: string, name: string): string {
  const upper = name.trim().toUpperCase()
  if (upper === 'ALL') return upper
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
  if (!capabilityNames.includes(full))
    throw new EngineError('invalid', `invalid ${option}: unknown capability: "${full}"`)
  return full
}
