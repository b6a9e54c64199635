import assert from 'node:assert/strict'
import { test } from 'node:test'
import { graphOf, hostile, shop } from './testing.ts'
import { writeDot } from './write-dot.ts'
import { writeMermaid } from './write-mermaid.ts'

test('Mermaid: services, ports, volumes and networks', () => {
  const text = writeMermaid(graphOf(shop))
  assert.match(text, /^flowchart LR\n {2}s0\["<b>alone<\/b><br\/>image mail"\]\n/)
  assert.match(text, /^ {2}s3p0\(\["8080 → 80"\]\)$/m)
  assert.match(text, /^ {2}s3 -->\|"healthy"\| s2$/m)
  assert.match(text, /^ {2}s2 -\.-\|"\/var\/lib"\| v0$/m)
  assert.match(text, /^ {2}n0\{\{"back, internal"\}\}:::network$/m)
})

test('DOT: the same in its own words', () => {
  const text = writeDot(graphOf(shop))
  assert.match(text, /^digraph "p" \{\n/)
  assert.match(text, /^ {2}s3 -> s2 \[style=solid, label="healthy"\];$/m)
  assert.match(text, /^ {2}v0 \[shape=cylinder, label="data"\];$/m)
})

test('texts of a file end no quotes', () => {
  const graph = graphOf(hostile)
  assert.match(writeMermaid(graph), /image x#34;\]; #60;script#62;#38;' \[31m"\]$/m)
  assert.match(writeDot(graph), /image x\\"\]; <script>&' \[31m"\];$/m)
})
