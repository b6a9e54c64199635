/** Routes of Gantry's own that look into images: what layers do, files, and what differs. */
import type { BuildRecord } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ImageExplanation } from '../../wire/image-files.ts'
import { drained, sendJson, sendStream } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<Engine, 'images' | 'builder'>

export function gantryImageRoutes(engine: Deps): Route[] {
  const { images } = engine
  const imageOf = (call: Call) => images.find(call.params['name'] ?? '')
  return [
    {
      method: 'GET',
      path: '/gantry/images/:name/explain',
      handler: async (call) => {
        const explanation = await images.files.explain(call.op, imageOf(call))
        const record = engine.builder.history.list().find(({ imageId }) => imageId === explanation.Id)
        sendJson(call.response, record ? withLines(explanation, record) : explanation)
      },
    },
    {
      method: 'GET',
      path: '/gantry/images/:name/diff',
      handler: async (call) => {
        const to = images.find(call.query.text('to'))
        sendJson(call.response, await images.files.diff(call.op, imageOf(call), to))
      },
    },
    { method: 'GET', path: '/gantry/images/:name/files', handler: (call) => list(engine, call) },
    {
      method: 'GET',
      path: '/gantry/images/:name/file',
      handler: async (call) => {
        const stream = await images.files.read(call.op, imageOf(call), call.query.text('path'))
        await sendStream(call, stream, 'application/octet-stream')
      },
    },
  ]
}

async function list({ images }: Deps, call: Call): Promise<void> {
  const depth = call.query.text('depth')
  if (!/^\d*$/.test(depth)) throw new EngineError('invalid', `depth ${JSON.stringify(depth)} is not a number`)
  const image = images.find(call.params['name'] ?? '')
  const files = await images.files.list(call.op, image, {
    path: call.query.text('path') || '/',
    depth: depth === '' ? Infinity : Number(depth),
  })
  call.response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
  // In pieces: a large image has a hundred thousand files.
  for (let at = 0; at < files.length; at += 1000) {
    const lines = files.slice(at, at + 1000).map((file) => `${JSON.stringify(file)}\n`)
    if (!call.response.write(lines.join(''))) await drained(call)
  }
  call.response.end()
}

/** Tells where in the Dockerfile the steps of the image stand, as far as its record knows them. */
function withLines(explanation: ImageExplanation, record: BuildRecord): ImageExplanation {
  // The history keeps few of the flags.
  const plain = (text: string) =>
    text
      .replace(/\s+/g, ' ')
      .trim()
      .replace(/^(RUN|COPY|ADD) (?:--\S+ )+/i, '$1 ')
  const known = record.vertices.flatMap(({ step }) => (step ? [{ ...step, text: plain(step.text) }] : []))
  const Name = record.dockerfile.slice(record.dockerfile.lastIndexOf('/') + 1)
  // From the last one back: what comes first may be the base image's.
  const steps = explanation.Steps.toReversed().map((step) => {
    const text = plain(step.Instruction)
    const index = text === '' ? -1 : known.findLastIndex((each) => each.text === text)
    const found = known[index]
    if (!found) return step
    known.splice(index, 1)
    return { ...step, Dockerfile: { Name, Line: found.startLine } }
  })
  return { ...explanation, Steps: steps.toReversed() }
}
