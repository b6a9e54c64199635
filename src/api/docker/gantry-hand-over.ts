import type { Engine } from '../../engine/index.ts'
import { sendEmpty, sendJson } from './respond.ts'
import type { Route } from './route.ts'

/** Gantry's own: one container takes the place of another while clients look on. */
export function gantryHandOverRoutes({ containers }: Pick<Engine, 'containers'>): Route[] {
  return [
    {
      method: 'POST',
      path: '/gantry/containers/:id/take-over',
      handler: async (call) => {
        await containers.handOver(call.op, {
          from: call.query.text('from'),
          to: call.params['id'] ?? '',
        })
        sendEmpty(call.response)
      },
    },
    {
      method: 'GET',
      path: '/gantry/containers/:id/connections',
      handler: (call) =>
        sendJson(call.response, { Connections: containers.connections(call.params['id'] ?? '') }),
    },
  ]
}
