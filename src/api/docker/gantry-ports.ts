import type { Engine } from '../../engine/index.ts'
import type { PortCheck } from '../../network/index.ts'
import type { PortCheckInfo } from '../../wire/container.ts'
import { sendJson } from './respond.ts'
import type { Route } from './route.ts'

/** Gantry's own: who can reach a container's published ports. */
export function gantryPortRoutes(engine: Pick<Engine, 'containers' | 'networks'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/gantry/containers/:id/ports',
      handler: async (call) => {
        const container = engine.containers.find(call.params['id'] ?? '')
        const checks = await engine.networks.checkPorts(call.op, container.id)
        sendJson(call.response, { Ports: checks.map(encode) })
      },
    },
  ]
}

function encode({ port, way, loopback, thisHost, otherHosts }: PortCheck): PortCheckInfo {
  const reach = ({ reach, because = '' }: PortCheck['loopback']) => ({ Reach: reach, Because: because })
  return {
    ContainerPort: port.containerPort,
    Type: port.proto,
    HostIp: port.hostIp,
    HostPort: port.hostPort,
    Way: way,
    Loopback: reach(loopback),
    ThisHost: reach(thisHost),
    OtherHosts: reach(otherHosts),
  }
}
