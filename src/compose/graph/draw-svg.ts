/** A project as a picture: cards of services, what is published to their left, volumes to their right, networks by colour. */
import { elementsOf, type Element, type Link } from './elements.ts'
import { factsOf, hasOwnNetworks, shortened, titleOf, type Fact } from './facts.ts'
import { layout, type Box, type Layout } from './layout.ts'
import type { GraphService, ProjectGraph } from './project-graph.ts'

/** Pixels; letters are of one width, so that boxes fit without measuring. */
const letter = 7.3
const line = 18
const margin = 24
const gap = 84

/** A text that is longer than this ends in `…`. */
const maxText = 48

/** Told apart by people who see few colours, too (after Okabe and Ito). */
const colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#7a6a00', '#666666']

const style = `
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2933; }
.title { font-weight: 700; font-size: 13px; }
.word { fill: #7b8794; }
.card { fill: #ffffff; stroke: #9aa5b1; }
.port { fill: #e6f6ff; stroke: #2186c4; }
.volume { fill: #f5f0ff; stroke: #8662c7; }
.needs { stroke: #52606d; }
.publishes { stroke: #2186c4; }
.mounts { stroke: #8662c7; stroke-dasharray: 3 3; }
path { fill: none; stroke-width: 1.4; }
`

export function drawSvg(graph: ProjectGraph): string {
  const picture = new Picture(graph)
  const { elements, links } = elementsOf(graph)
  const nodes = elements.map((element) => ({ id: element.id, ...picture.sizeOf(element) }))
  const found = layout(nodes, links, { space: 26, lineSpace: 18 })
  const xs = columnsOf(found)
  const ofElement = new Map(elements.map((element) => [element.id, element]))
  const boxes = found.columns.flat()
  const shapes = boxes.map((box) => picture.draw(ofElement.get(box.id), box, xs[box.column]?.begin ?? 0))
  const lines = found.routes.flatMap((route, index) => {
    const link = links[index]
    return link ? [picture.connect(link, route.heights, { boxes, xs })] : []
  })
  const right = Math.max(0, ...boxes.map((box) => (xs[box.column]?.begin ?? 0) + box.width))
  const legend = picture.legend(found.height + 2 * line)
  const width = Math.ceil(Math.max(right, legend.width, graph.name.length * 9) + 2 * margin)
  const height = Math.ceil(found.height + legend.height + 2 * margin + 2 * line)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escaped(graph.name)}</title>`,
    `<style>${style}</style>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0.5 L7.5,4 L0,7.5 z" style="fill:#52606d;stroke:none"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#f7f9fb"/>`,
    `<text class="title" x="${margin}" y="${margin + 6}">${escaped(graph.name)}</text>`,
    `<g transform="translate(${margin} ${margin + 1.5 * line})">`,
    ...lines,
    ...shapes,
    ...legend.shapes,
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

interface Column {
  readonly begin: number
  readonly end: number
}

function columnsOf({ columns }: Layout): Column[] {
  let x = 0
  return columns.map((column) => {
    const begin = x
    const end = begin + Math.max(0, ...column.map(({ width }) => width))
    x = end + gap
    return { begin, end }
  })
}

interface Places {
  readonly boxes: readonly Box[]
  readonly xs: readonly Column[]
}

class Picture {
  readonly #graph: ProjectGraph
  readonly #services: ReadonlyMap<string, { service: GraphService; facts: readonly Fact[] }>
  readonly #colours: ReadonlyMap<string, string>

  constructor(graph: ProjectGraph) {
    this.#graph = graph
    // What is published stands beside the card, networks are its dots.
    const said = (service: GraphService) =>
      factsOf(service, { defaultNetwork: false }).filter(([word, text]) =>
        word === 'network' ? text === service.networkMode : word !== 'port',
      )
    this.#services = new Map(
      graph.services.map((service) => [service.name, { service, facts: said(service) }]),
    )
    const networks = hasOwnNetworks(graph) ? graph.networks : []
    this.#colours = new Map(networks.map(({ key }, index) => [key, colours[index % colours.length] ?? '']))
  }

  sizeOf({ kind, text }: Element): { width: number; height: number } {
    if (kind === 'port') return { width: text.length * letter + 24, height: 26 }
    if (kind === 'volume') return { width: Math.max(text.length * letter + 24, 60), height: 40 }
    const { facts, title } = this.#card(text)
    const widest = Math.max(
      title.length * 8 + this.#dots(text).length * 14 + 10,
      ...facts.map((fact) => textOf(fact).length * letter),
    )
    return { width: widest + 28, height: 34 + facts.length * line }
  }

  #card(name: string): { facts: readonly Fact[]; title: string } {
    const found = this.#services.get(name)
    return { facts: found?.facts ?? [], title: found ? titleOf(found.service) : name }
  }

  /** A colour for each network of the service. */
  #dots(name: string): string[] {
    return (this.#services.get(name)?.service.networks ?? []).flatMap((key) => this.#colours.get(key) ?? [])
  }

  draw(element: Element | undefined, { y, width, height }: Box, x: number): string {
    if (!element) return ''
    const { kind, text } = element
    const middle = y + height / 2
    if (kind === 'port')
      return `<rect class="port" x="${x}" y="${y}" width="${width}" height="${height}" rx="13"/>${words(x + 12, middle + 4, text)}`
    if (kind === 'volume') return cylinder({ x, y, width, height }) + words(x + 12, middle + 8, text)
    const { facts, title } = this.#card(text)
    const dots = this.#dots(text).map(
      (colour, index, all) =>
        `<circle cx="${x + width - 14 * (all.length - index)}" cy="${y + 17}" r="5" fill="${colour}"/>`,
    )
    const rows = facts.map(
      (fact, index) =>
        `<text x="${x + 14}" y="${y + 40 + index * line}"><tspan class="word">${escaped(fact[0])}</tspan> ${escaped(shortened(fact[1], maxText))}</text>`,
    )
    return [
      `<rect class="card" x="${x}" y="${y}" width="${width}" height="${height}" rx="7"/>`,
      words(x + 14, y + 21, title, 'title'),
      ...dots,
      ...rows,
    ].join('')
  }

  connect({ from, to, kind }: Link, heights: readonly number[], { boxes, xs }: Places): string {
    const [source, target] = [from, to].map((id) => boxes.find((box) => box.id === id))
    if (!source || !target) return ''
    const begin = (xs[source.column]?.begin ?? 0) + source.width
    let path = `M${begin},${round(heights[0])}`
    let x = xs[source.column]?.end ?? begin
    path += ` H${round(x)}`
    for (let column = source.column + 1; column <= target.column; column++) {
      const y = heights[column - source.column]
      const before = heights[column - source.column - 1]
      const next = xs[column]?.begin ?? x
      const middle = round((x + next) / 2)
      path += ` C${middle},${round(before)} ${middle},${round(y)} ${round(next)},${round(y)}`
      if (column < target.column) path += ` H${round((x = xs[column]?.end ?? next))}`
    }
    const tip = kind === 'mounts' ? '' : ' marker-end="url(#tip)"'
    return `<path class="${kind}" d="${path}"${tip}/>`
  }

  /** The colours of networks. */
  legend(top: number): { shapes: string[]; width: number; height: number } {
    const drawn = this.#graph.networks.filter(({ key }) => this.#colours.has(key))
    const rows = drawn.map(({ key, name, notes }) => ({
      colour: this.#colours.get(key) ?? '',
      text: `${key}${name === key ? '' : `  ${name}`}${notes.length > 0 ? `  (${notes.join(', ')})` : ''}`,
    }))
    return {
      shapes: rows.flatMap(({ colour, text }, index) => [
        `<circle cx="6" cy="${top + index * line - 4}" r="5" fill="${colour}"/>`,
        words(20, top + index * line, `network ${text}`),
      ]),
      width: Math.max(0, ...rows.map(({ text }) => (text.length + 10) * letter + 20)),
      height: rows.length * line,
    }
  }
}

function cylinder({ x, y, width, height }: { x: number; y: number; width: number; height: number }): string {
  const [r, right, bottom] = [width / 2, x + width, y + height - 6]
  return `<path class="volume" style="fill:#f5f0ff" d="M${x},${y + 6} A${r},6 0 0 1 ${right},${y + 6} V${bottom} A${r},6 0 0 1 ${x},${bottom} z"/><path class="volume" d="M${x},${y + 6} A${r},6 0 0 0 ${right},${y + 6}"/>`
}

function textOf([word, text]: Fact): string {
  return `${word} ${shortened(text, maxText)}`
}

function words(x: number, y: number, text: string, kind = ''): string {
  return `<text${kind === '' ? '' : ` class="${kind}"`} x="${round(x)}" y="${round(y)}">${escaped(text)}</text>`
}

function round(value = 0): number {
  return Math.round(value * 10) / 10
}

/** XML has no place for control characters, not even written as entities. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '\ufffd')
    .replaceAll(/[<>&"']/g, (sign) => `&#${sign.codePointAt(0)};`)
}
