import { parseXml, XmlElement } from '@rgrove/parse-xml'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawSvg } from './draw-svg.ts'
import { graphOf, hostile, shop } from './testing.ts'

test('an SVG with a card for each service and what it is connected to', () => {
  const { root } = parseXml(drawSvg(graphOf(shop)))
  const texts = (element: XmlElement | null): string[] =>
    (element?.children ?? []).flatMap((child) =>
      child instanceof XmlElement ? (child.name === 'text' ? [child.text] : texts(child)) : [],
    )
  const all = texts(root)
  for (const text of [
    'web ×2',
    'alone',
    '8080 → 80',
    'any port → 53/udp',
    'data',
    'network back  p_back  (internal)',
  ])
    assert.ok(all.includes(text), `${text} in ${all.join(' | ')}`)
})

test('texts of a file stay texts', () => {
  const { root } = parseXml(drawSvg(graphOf(hostile)))
  assert.match(root?.text ?? '', /x"\]; <script>&'\ufffd\[31m/)
})
