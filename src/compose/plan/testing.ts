/** Projects, and what is there of them, for the tests of plans. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { ContainerSummary } from '../../wire/container.ts'
import type { NetworkInfo } from '../../wire/system.ts'
import { configText } from '../config-text.ts'
import { containerBody } from '../desired/container-body.ts'
import { networkBody } from '../desired/resource-bodies.ts'
import { loadProject } from '../load-project.ts'
import type { Project } from '../model/project-model.ts'
import type { Observed, ObservedContainer } from '../observe.ts'
import { serviceHash } from '../service-hash.ts'
import { plan, type PlanOptions } from './plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'gantry-plan-'))
after(() => rmSync(folder, { recursive: true }))

export function load(services: object, more: object = {}): Project {
  const path = join(folder, 'compose.yaml')
  writeFileSync(path, JSON.stringify({ name: 'p', services, ...more }))
  const source = {
    files: [{ path }],
    folder,
    environment: new Map<string, string>(),
    sources: new Map(),
    name: '',
    profiles: [],
  }
  return loadProject(source, {
    interpolation: true,
    normalization: true,
    pathResolution: true,
    consistency: true,
    envResolution: true,
    warn: () => {},
  })
}

export const image = 'sha256:11'
export const imagesOf = ({ services }: Project) =>
  new Map(Array.from(services.keys(), (name) => [name, image]))

/** What there would be after an `up` of the project. */
export function converged(project: Project, o: { state?: ObservedContainer['state'] } = {}): Observed {
  const networks = Array.from(project.networks, ([key, network]) => {
    const { Name, Labels } = networkBody(project, key, network)
    // The plan reads no more of it.
    return { Name, Id: `id-${Name}`, Labels } as NetworkInfo
  })
  const containers = Array.from(project.services, ([name, service]) => {
    const find = () => 'id-of-other'
    const body = containerBody({ project, name, service, number: 1, image, find })
    const Networks = Object.fromEntries(networks.map(({ Name, Id }) => [Name, { NetworkID: Id }]))
    const summary = { Labels: body.Labels ?? {}, Mounts: [], NetworkSettings: { Networks } }
    return container({
      service: name,
      name: `p-${name}-1`,
      id: `id-${name}`,
      state: o.state ?? 'running',
      configHash: serviceHash(service),
      config: configText(service),
      // The plan reads no more of it.
      summary: summary as unknown as ContainerSummary,
    })
  })
  return { containers, networks, volumes: [] }
}

export function container(o: Partial<ObservedContainer>): ObservedContainer {
  const summary = { Labels: {}, Mounts: [], NetworkSettings: { Networks: {} } }
  return {
    id: 'id',
    name: 'p-x-1',
    service: 'x',
    number: 1,
    oneOff: false,
    state: 'running',
    status: '',
    configHash: '',
    image,
    config: '',
    // The plan reads no more of it.
    summary: summary as unknown as ContainerSummary,
    ...o,
  }
}

export function steps(project: Project, observed: Observed, o: Partial<PlanOptions> = {}) {
  const found = plan(project, observed, { images: imagesOf(project), ...o })
  return [...found.services.values()].flat().map(({ name, kind, reason }) => `${name} ${kind}: ${reason}`)
}

export const nothing: Observed = { containers: [], networks: [], volumes: [] }
