/** A project in Graphviz's language. */
import { elementsOf } from './elements.ts'
import { factsOf, hasOwnNetworks, titleOf } from './facts.ts'
import type { ProjectGraph } from './project-graph.ts'

const shapes = { service: 'box', port: 'plaintext', volume: 'cylinder' } as const
const styles = { needs: 'solid', publishes: 'bold', mounts: 'dotted' } as const

export function writeDot(graph: ProjectGraph): string {
  const { elements, links } = elementsOf(graph)
  const services = new Map(graph.services.map((service) => [service.name, service]))
  const ids = new Map(elements.flatMap(({ id, kind, text }) => (kind === 'service' ? [[text, id]] : [])))
  const nodes = elements.map(({ id, kind, text }) => {
    const service = kind === 'service' ? services.get(text) : undefined
    const [first] = service ? factsOf(service, { defaultNetwork: false }) : []
    const label = service ? `${titleOf(service)}\n${first?.join(' ') ?? ''}` : text
    return `${id} [shape=${shapes[kind]}, label=${quoted(label)}]`
  })
  const networks = hasOwnNetworks(graph)
    ? graph.networks.flatMap(({ key, notes }, index) => [
        `n${index} [shape=hexagon, style=dashed, label=${quoted([key, ...notes].join(', '))}]`,
        ...graph.services.flatMap(({ name, networks: own }) =>
          own.includes(key) ? [`n${index} -> ${ids.get(name)} [dir=none, style=dashed]`] : [],
        ),
      ])
    : []
  const edges = links.map(
    ({ from, to, kind, text }) =>
      `${from} -> ${to} [style=${styles[kind]}${kind === 'mounts' ? ', dir=none' : ''}${text === '' ? '' : `, label=${quoted(text)}`}]`,
  )
  const lines = ['rankdir=LR', 'node [fontname="sans-serif"]', 'edge [fontname="sans-serif", fontsize=10]']
  const all = [...lines, ...nodes, ...edges, ...networks]
  return `digraph ${quoted(graph.name)} {\n${all.map((line) => `  ${line};\n`).join('')}}\n`
}

function quoted(text: string): string {
  const escaped = text
    .replaceAll(/[\\"]/g, String.raw`\$&`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll(/[\p{Cc}]/gu, ' ')
  return `"${escaped}"`
}
