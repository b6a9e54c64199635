/** Volumes as claims: what one pod writes may be on its node, what several do must be on all. */
import { kubeName } from './kube-name.ts'
import type { Translation } from './translation.ts'

export function claimOf(t: Translation, volume: string): string {
  const found = t.project.volumes.get(volume)
  return kubeName(found?.external === true && found.name !== '' ? found.name : volume)
}

/** Pods that mount the volume. */
function podsOf(t: Translation, volume: string): number {
  return [...t.project.services.values()].reduce((sum, service) => {
    const mounts = service.volumes.some(({ type, source }) => type === 'volume' && source === volume)
    return mounts ? sum + replicasOf(service) : sum
  }, 0)
}

export function isShared(t: Translation, volume: string): boolean {
  return podsOf(t, volume) > 1
}

export function replicasOf({
  scale,
  deploy,
}: {
  scale: number | undefined
  deploy: { replicas: number | undefined } | undefined
}): number {
  return scale ?? deploy?.replicas ?? 1
}

export function addClaims(t: Translation): void {
  for (const [key, volume] of t.project.volumes) {
    const path = ['volumes', key]
    if (volume.external) {
      t.hint(path, `a PersistentVolumeClaim ${claimOf(t, key)} has to be there`)
      continue
    }
    if (podsOf(t, key) === 0) continue
    if (!['', 'local'].includes(volume.driver))
      t.lost([...path, 'driver'], 'drivers of volumes are storage classes in Kubernetes')
    if (volume.driver_opts.size > 0)
      t.lost([...path, 'driver_opts'], 'options of drivers belong to the storage class')
    const shared = isShared(t, key)
    if (shared) t.hint(path, 'several pods use it: the storage class must be able to do ReadWriteMany')
    t.add({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: t.metadata(claimOf(t, key), undefined, t.annotations([...path, 'labels'], volume.labels)),
      spec: {
        accessModes: [shared ? 'ReadWriteMany' : 'ReadWriteOnce'],
        resources: { requests: { storage: t.options.volumeSize } },
      },
    })
  }
}
