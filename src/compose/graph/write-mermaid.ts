/** A project as a Mermaid flowchart: renders in Markdown of most forges. */
import { elementsOf } from './elements.ts'
import { factsOf, hasOwnNetworks, titleOf } from './facts.ts'
import type { ProjectGraph } from './project-graph.ts'

const arrows = { needs: '-->', publishes: '-->', mounts: '-.-' } as const

export function writeMermaid(graph: ProjectGraph): string {
  const { elements, links } = elementsOf(graph)
  const services = new Map(graph.services.map((service) => [service.name, service]))
  const lines = elements.map(({ id, kind, text }) => {
    if (kind === 'port') return `${id}(["${quoted(text)}"])`
    if (kind === 'volume') return `${id}[("${quoted(text)}")]`
    const service = services.get(text)
    const [first] = service ? factsOf(service, { defaultNetwork: false }) : []
    return `${id}["<b>${quoted(service ? titleOf(service) : text)}</b><br/>${quoted(first?.join(' ') ?? '')}"]`
  })
  const serviceId = new Map(
    elements.flatMap(({ id, kind, text }) => (kind === 'service' ? [[text, id]] : [])),
  )
  const networks = graph.networks.flatMap(({ key, notes }, index) => [
    `n${index}{{"${quoted([key, ...notes].join(', '))}"}}:::network`,
    ...graph.services.flatMap(({ name, networks: own }) =>
      own.includes(key) ? [`n${index} --- ${serviceId.get(name)}`] : [],
    ),
  ])
  const connections = links.map(
    ({ from, to, kind, text }) => `${from} ${arrows[kind]}${text === '' ? '' : `|"${quoted(text)}"|`} ${to}`,
  )
  const all = [
    ...lines,
    ...connections,
    ...(hasOwnNetworks(graph) ? networks : []),
    'classDef network stroke-dasharray: 4 3',
  ]
  return `flowchart LR\n${all.map((line) => `  ${line}\n`).join('')}`
}

/** Mermaid has entities for what its texts cannot hold. */
function quoted(text: string): string {
  return text.replaceAll(/[\p{Cc}]/gu, ' ').replaceAll(/[#"<>&`]/g, (letter) => `#${letter.codePointAt(0)};`)
}
