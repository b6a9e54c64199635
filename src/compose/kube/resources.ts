/** Limits and reservations. */
import type { IResourceRequirements } from 'kubernetes-models/v1'
import type { Service } from '../model/project-model.ts'
import { compact } from './compact.ts'
import type { Translation } from './translation.ts'

export function resourcesOf(t: Translation, name: string, service: Service): IResourceRequirements {
  const { limits, reservations } = service.deploy?.resources ?? {}
  const gpus = gpusOf(t, name, service)
  return compact<IResourceRequirements>({
    limits: compact<Record<string, string>>({
      cpu: cpus(limits?.cpus || service.cpus || quotaOf(service)),
      memory: bytes(limits?.memory || service.mem_limit),
      'nvidia.com/gpu': gpus === 0 ? undefined : String(gpus),
    }),
    requests: compact<Record<string, string>>({
      cpu: cpus(reservations?.cpus),
      memory: bytes(reservations?.memory || service.mem_reservation),
    }),
  })
}

function quotaOf({ cpu_quota: quota, cpu_period: period }: Service): number {
  return quota > 0 ? quota / (period || 100_000) : 0
}

function cpus(value: number | undefined): string | undefined {
  return value ? `${Math.max(1, Math.round(value * 1000))}m` : undefined
}

function bytes(value: number | undefined): string | undefined {
  if (!value || value < 0) return undefined
  for (const [unit, size] of [
    ['Gi', 2 ** 30],
    ['Mi', 2 ** 20],
    ['Ki', 2 ** 10],
  ] as const)
    if (value % size === 0) return `${value / size}${unit}`
  return String(value)
}

/** Whole ones of NVIDIA's device plugin, the only kind that has a name everybody knows. */
function gpusOf(t: Translation, name: string, { gpus, deploy }: Service): number {
  const asked = [
    ...gpus.map((each) => ({ each, path: ['services', name, 'gpus'] })),
    ...(deploy?.resources.reservations?.devices ?? []).map((each) => ({
      each,
      path: ['services', name, 'deploy', 'resources', 'reservations', 'devices'],
    })),
  ]
  return asked.reduce((sum, { each, path }) => {
    const { driver, capabilities, count, device_ids: ids } = each
    if (
      (driver !== '' && driver !== 'nvidia') ||
      (capabilities.length > 0 && !capabilities.includes('gpu'))
    ) {
      t.lost(path, 'only GPUs of NVIDIA have a resource that everybody knows')
      return sum
    }
    if (count < 0 || ids.length > 0)
      t.lost(
        path,
        `GPUs are asked for by number: ${Math.max(ids.length, 1)} instead of ${ids.length > 0 ? 'chosen ones' : 'all'}`,
      )
    return sum + Math.max(count, ids.length, 1)
  }, 0)
}
