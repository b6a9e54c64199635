import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawTerminal } from './draw-terminal.ts'
import { graphOf, hostile, shop } from './testing.ts'

test('boxes with lines to what they depend on, and tables below', () => {
  assert.equal(
    drawTerminal(graphOf(shop), { width: 200, visible: String }),
    `\
┌─ alone ────────────────────┐
│ image    mail              │
│ network  front             │
└────────────────────────────┘

┌─ web ×2 ───────────────────┐      ┌─ cache ──────────┐
│ build    .                 │ ┌───▶│ image    redis:7 ├─┐      ┌─ db ─────────────────────┐
│ port     8080 → 80         │ │    │ network  back    │ │      │ image    postgres:15     │
│          any port → 53/udp ├─┤    └──────────────────┘ └─┬───▶│ volume   data → /var/lib │
│ mount    ./src → /src (ro) │ │                           │    │ network  back            │
│ network  back, front       │ │                           │    └──────────────────────────┘
│ waits    db healthy        │ └───────────────────────────┘
└────────────────────────────┘

NETWORK   NAME                 SERVICES
back      p_back    internal   cache, db, web
front     p_front              alone, web

VOLUME   NAME     SERVICES
data     p_data   db
`,
  )
})

test('what does not fit is listed', () => {
  const text = drawTerminal(graphOf(shop), { width: 40, visible: String })
  assert.ok(text.split('\n').every((line) => Array.from(line).length <= 60))
  assert.match(text, /^web ×2\n  build {4}\.\n/m)
  assert.match(text, /^  needs {4}cache\n {11}db$/m)
})

test('nothing of a file reaches the terminal as a control character', () => {
  assert.doesNotMatch(
    drawTerminal(graphOf(hostile), { width: 200, visible: (text) => text.replaceAll('\u001b', '^') }),
    /[^\P{Cc}\n]/u,
  )
})
