/** A project as boxes and lines of any drawing: services, what is published, volumes. */
import { shownCondition, shownPort, type ProjectGraph } from './project-graph.ts'

export interface Element {
  readonly id: string
  readonly kind: 'service' | 'port' | 'volume'
  readonly text: string
}

export interface Link {
  readonly from: string
  readonly to: string
  readonly kind: 'needs' | 'publishes' | 'mounts'
  readonly text: string
}

/** `id`s are good for Mermaid and DOT as they are. */
export function elementsOf({ services, volumes }: ProjectGraph): { elements: Element[]; links: Link[] } {
  const serviceId = new Map(services.map(({ name }, index) => [name, `s${index}`]))
  const volumeId = new Map(volumes.map(({ key }, index) => [key, `v${index}`]))
  const elements: Element[] = []
  const links: Link[] = []
  for (const { name, ports, mounts, needs } of services) {
    const id = serviceId.get(name) ?? ''
    for (const [index, { published, target }] of ports.entries()) {
      const port = `${id}p${index}`
      elements.push({ id: port, kind: 'port', text: shownPort({ published, target }) })
      links.push({ from: port, to: id, kind: 'publishes', text: '' })
    }
    elements.push({ id, kind: 'service', text: name })
    for (const { service, condition } of needs)
      links.push({
        from: id,
        to: serviceId.get(service) ?? '',
        kind: 'needs',
        text: shownCondition(condition),
      })
    for (const { kind, source, target, readOnly } of mounts) {
      const volume = kind === 'volume' ? volumeId.get(source) : undefined
      if (volume !== undefined)
        links.push({ from: id, to: volume, kind: 'mounts', text: `${target}${readOnly ? ' (ro)' : ''}` })
    }
  }
  for (const { key } of volumes) elements.push({ id: volumeId.get(key) ?? '', kind: 'volume', text: key })
  return { elements, links }
}
