import { EngineError } from '../lib/errors.ts'
import type { Settings } from './settings.ts'

type Check = (value: unknown) => string | undefined

const only =
  (wanted: unknown, why: string): Check =>
  (value) =>
    value === wanted ? undefined : why

/**
 * Settings of dockerd that ask for what Gantry does anyway, as configurations in use say them. Any other value is refused with the
 * reason: returned by the check.
 */
const checks: Readonly<Partial<Record<keyof Settings, Check>>> = {
  iptables: only(true, 'networks and published ports are rules of the firewall: they cannot do without'),
  ip6tables: only(true, 'networks and published ports are rules of the firewall: they cannot do without'),
  'firewall-backend': only('nftables', 'Gantry has its own nftables table: want nftables'),
  'storage-driver': (value) =>
    ['', 'overlay2', 'overlayfs'].includes(String(value))
      ? undefined
      : 'Gantry stores layers in overlayfs: want overlay2 or overlayfs',
  'selinux-enabled': only(false, 'SELinux labels are not supported'),
  'raw-logs': only(true, 'the daemon’s own log never has colours'),
  'userns-remap': only(
    '',
    'containers have no user namespace of their own: map the owners of a volume with idmap',
  ),
  'exec-opts': (value) => {
    const other = (value as string[]).find((option) => option !== 'native.cgroupdriver=cgroupfs')
    return other === undefined
      ? undefined
      : `${other} is not supported: Gantry manages cgroups itself (native.cgroupdriver=cgroupfs)`
  },
  features: (value) => {
    const there: Record<string, boolean> = { buildkit: true, cdi: true, 'containerd-snapshotter': false }
    const other = Object.entries(value as Record<string, boolean>).find(([name, on]) => there[name] !== on)
    return other && `${other[0]}=${other[1]} is not supported (buildkit and cdi are always on)`
  },
}

/** Throws kind `unsupported`, naming setting and reason. */
export function checkOneValueSettings(settings: Settings): void {
  for (const [key, check] of Object.entries(checks)) {
    const value = settings[key as keyof Settings]
    const why = value === undefined ? undefined : check(value)
    if (why !== undefined) throw new EngineError('unsupported', `${key}=${shown(value)}: ${why}`)
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
