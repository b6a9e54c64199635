/** Makes networks and volumes, and makes them again where their configuration changed. */
import { DaemonError } from '../../client/index.ts'
import { networkBody, volumeBody } from '../desired/resource-bodies.ts'
import type { Project } from '../model/project-model.ts'
import type { Observed } from '../observe.ts'
import type { NetworkStep, VolumeStep } from '../plan/plan-resources.ts'
import { reported } from '../report.ts'
import { gone, stopAndRemove, stopContainer } from './stop-containers.ts'
import type { Work } from './work.ts'

interface Resources {
  readonly project: Project
  readonly observed: Observed
}

export async function applyNetwork(work: Work, step: NetworkStep, o: Resources): Promise<void> {
  if (step.kind === 'keep' || step.kind === 'external') return
  const network = o.project.networks.get(step.key)
  if (!network) return
  if (step.kind === 'replace' && step.found) await removeNetwork(work, step, o)
  await reported(work.report, { id: `Network ${step.name}`, working: 'Creating', done: 'Created' }, () =>
    work.limit.run(async () => {
      try {
        await work.client.networks.create(networkBody(o.project, step.key, network))
      } catch (error) {
        // Another `up` of the project was quicker.
        if (!(error instanceof DaemonError) || error.status !== 409) throw error
      }
    }),
  )
}

/** Those in it stop and leave it; the plan makes them again. */
async function removeNetwork(work: Work, { name, found }: NetworkStep, { observed, project }: Resources) {
  const inside = observed.containers.filter(({ summary }) =>
    Object.values(summary.NetworkSettings?.Networks ?? {}).some(({ NetworkID }) => NetworkID === found?.Id),
  )
  await Promise.all(
    inside.map(async (container) => {
      await stopContainer(work, container, project)
      await gone(work.client.networks.disconnect(found?.Id ?? name, container.id, { force: true }))
    }),
  )
  await reported(work.report, { id: `Network ${name}`, working: 'Removing', done: 'Removed' }, () =>
    gone(work.client.networks.remove(found?.Id ?? name)),
  )
}

export async function applyVolume(work: Work, step: VolumeStep, o: Resources): Promise<void> {
  if (step.kind === 'keep' || step.kind === 'external') return
  const volume = o.project.volumes.get(step.key)
  if (!volume) return
  if (step.kind === 'replace') {
    const users = o.observed.containers.filter(({ summary }) =>
      summary.Mounts.some(({ Name }) => Name === step.name),
    )
    await Promise.all(users.map((container) => stopAndRemove(work, container, { project: o.project })))
    await reported(work.report, { id: `Volume ${step.name}`, working: 'Removing', done: 'Removed' }, () =>
      gone(work.client.volumes.remove(step.name)),
    )
  }
  await reported(work.report, { id: `Volume ${step.name}`, working: 'Creating', done: 'Created' }, () =>
    work.limit.run(() => work.client.volumes.create(volumeBody(o.project, step.key, volume))),
  )
}
