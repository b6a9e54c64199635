/** Swarm, plugins and cluster volumes: routes of what Gantry does not have answer as docker does where it is off. */
import { EngineError } from '../../lib/errors.ts'
import { sendJson } from './respond.ts'
import type { Method, Route } from './route.ts'

const swarmRoutes = [
  'GET /swarm',
  'POST /swarm/update',
  'GET /swarm/unlockkey',
  'POST /swarm/unlock',
  'GET /nodes',
  'GET /nodes/:id',
  'DELETE /nodes/:id',
  'POST /nodes/:id/update',
  'GET /services',
  'POST /services/create',
  'GET /services/:id',
  'DELETE /services/:id',
  'POST /services/:id/update',
  'GET /services/:id/logs',
  'GET /tasks',
  'GET /tasks/:id',
  'GET /tasks/:id/logs',
  'GET /secrets',
  'POST /secrets/create',
  'GET /secrets/:id',
  'DELETE /secrets/:id',
  'POST /secrets/:id/update',
  'GET /configs',
  'POST /configs/create',
  'GET /configs/:id',
  'DELETE /configs/:id',
  'POST /configs/:id/update',
] as const

const pluginRoutes = [
  'GET /plugins/:name/json',
  'DELETE /plugins/:name',
  'POST /plugins/:name/enable',
  'POST /plugins/:name/disable',
  'POST /plugins/:name/upgrade',
  'POST /plugins/:name/push',
  'POST /plugins/:name/set',
] as const

export const absentRoutes: readonly Route[] = [
  ...answering(swarmRoutes, () =>
    unavailable(
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    ),
  ),
  ...answering(['POST /swarm/leave'], () => unavailable('This node is not part of a swarm')),
  ...answering(['PUT /volumes/:name'], () =>
    unavailable('volume update only valid for cluster volumes, but swarm is unavailable'),
  ),
  ...answering(
    pluginRoutes,
    (name) => new EngineError('not-found', `plugin ${JSON.stringify(name)} not found`),
  ),
  { method: 'GET', path: '/plugins', handler: (call) => sendJson(call.response, []) },
  ...refused('Gantry has no swarm mode', 'POST /swarm/init', 'POST /swarm/join'),
  ...refused(
    'plugins are not supported',
    'GET /plugins/privileges',
    'POST /plugins/pull',
    'POST /plugins/create',
  ),
]

type Text = `${Method} /${string}`

const unavailable = (text: string) => new EngineError('unavailable', text)

function split(text: Text): { method: Method; path: string } {
  const [method, path] = text.split(' ') as [Method, string] // as the type has it
  return { method, path }
}

function answering(routes: readonly Text[], fault: (name: string) => EngineError): Route[] {
  return routes.map((text) => ({
    ...split(text),
    handler: (call) => {
      throw fault(call.params['name'] ?? '')
    },
  }))
}

function refused(refusal: string, ...routes: readonly Text[]): Route[] {
  return routes.map((text) => ({ ...split(text), refusal }))
}
