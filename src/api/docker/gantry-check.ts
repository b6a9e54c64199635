/** A route of Gantry's own: what is to be said of a Dockerfile without building it. */
import { z } from 'zod'
import type { Engine } from '../../engine/index.ts'
import type { CheckRequest } from '../../wire/check.ts'
import { decode, readJson } from './body.ts'
import { sendJson } from './respond.ts'
import type { Route } from './route.ts'

type Deps = Pick<Engine, 'builder'>

/** Texts that people write; what is longer is refused by the body's limit anyway. */
const text = z.string()

const requestShape: z.ZodType<CheckRequest> = z.strictObject({
  method: z.enum(['lint', 'outline', 'targets']),
  name: z.string().min(1).max(4096),
  text,
  ignore: z.strictObject({ name: z.string().max(4096), text }).exactOptional(),
  files: z.array(z.string().max(4096)).max(10_000).exactOptional(),
  project: text.exactOptional(),
  buildArgs: z.record(z.string(), z.string()),
  target: z.string().exactOptional(),
  options: text.exactOptional(),
})

export function gantryCheckRoutes(engine: Deps): Route[] {
  return [
    {
      method: 'POST',
      path: '/gantry/build/check',
      handler: async (call) => {
        const request = decode(requestShape, await readJson(call.request))
        sendJson(call.response, await engine.builder.check(call.op, request))
      },
    },
  ]
}
