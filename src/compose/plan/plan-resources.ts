/** Which networks and volumes have to be made, or made again. */
import { EngineError } from '../../lib/errors.ts'
import type { NetworkInfo, VolumeInfo } from '../../wire/system.ts'
import { networkHash, volumeHash } from '../desired/resource-bodies.ts'
import { label } from '../labels.ts'
import type { Project } from '../model/project-model.ts'

interface ResourceStep<Kind extends string, Found> {
  /** `external`: somebody else's. `keep`: it is as it should be. */
  readonly kind: 'external' | 'keep' | 'create' | 'replace'
  readonly resource: Kind
  /** In the Compose file. */
  readonly key: string
  readonly name: string
  readonly reason: string
  readonly found: Found | undefined
}

export type NetworkStep = ResourceStep<'network', NetworkInfo>
export type VolumeStep = ResourceStep<'volume', VolumeInfo>

interface Steps<S> {
  readonly steps: readonly S[]
  readonly warnings: readonly string[]
}

export function planNetworks(project: Project, found: readonly NetworkInfo[]): Steps<NetworkStep> {
  const warnings: string[] = []
  const steps = Array.from(project.networks, ([key, network]): NetworkStep => {
    const { name } = network
    const existing = found.find((each) => each.Name === name) ?? found.find((each) => each.Id === name)
    const step = { resource: 'network' as const, key, name, found: existing }
    if (network.external) {
      if (!existing)
        throw new EngineError('not-found', `network ${name} declared as external, but could not be found`)
      return { ...step, kind: 'external', reason: 'external' }
    }
    if (!existing) return { ...step, kind: 'create', reason: 'it is not there yet' }
    const owner = existing.Labels?.[label.project]
    if (owner !== project.name)
      warnings.push(
        `a network with name ${name} exists but was not created ${owner === undefined ? 'by compose' : `for project ${JSON.stringify(project.name)}`}.\nSet \`external: true\` to use an existing network`,
      )
    const own = existing.Labels?.[label.network] ?? ''
    if (own !== key)
      throw new EngineError(
        'conflict',
        `network ${name} was found but has incorrect label ${label.network} set to ${JSON.stringify(own)} (expected: ${JSON.stringify(key)})`,
      )
    const hash = existing.Labels?.[label.configHash] ?? ''
    if (hash === '' || hash === networkHash(network)) return { ...step, kind: 'keep', reason: 'unchanged' }
    return { ...step, kind: 'replace', reason: 'its configuration changed' }
  })
  return { steps, warnings }
}

export function planVolumes(
  project: Project,
  found: readonly VolumeInfo[],
  kept: ReadonlySet<string> = new Set(),
): Steps<VolumeStep> {
  const warnings: string[] = []
  const steps = Array.from(project.volumes, ([key, volume]): VolumeStep => {
    const { name } = volume
    const existing = found.find((each) => each.Name === name)
    const step = { resource: 'volume' as const, key, name, found: existing }
    if (volume.external) {
      if (!existing) throw new EngineError('not-found', `external volume ${JSON.stringify(name)} not found`)
      return { ...step, kind: 'external', reason: 'external' }
    }
    if (!existing) return { ...step, kind: 'create', reason: 'it is not there yet' }
    const owner = existing.Labels?.[label.project]
    if (owner === undefined)
      warnings.push(
        `volume ${JSON.stringify(name)} already exists but was not created by Docker Compose. Use \`external: true\` to use an existing volume`,
      )
    else if (owner !== project.name)
      warnings.push(
        `volume ${JSON.stringify(name)} already exists but was created for project ${JSON.stringify(owner)} (expected ${JSON.stringify(project.name)}). Use \`external: true\` to use an existing volume`,
      )
    const hash = existing.Labels?.[label.configHash] ?? ''
    if (owner === undefined || hash === '' || hash === volumeHash(volume))
      return { ...step, kind: 'keep', reason: 'unchanged' }
    if (kept.has(name)) {
      warnings.push(
        `volume ${JSON.stringify(name)} exists but doesn't match configuration in compose file: it is left as it is (-y makes it again, and its data is lost)`,
      )
      return { ...step, kind: 'keep', reason: 'its configuration changed, but it keeps what it has' }
    }
    return { ...step, kind: 'replace', reason: 'its configuration changed; up asks before' }
  })
  return { steps, warnings }
}
