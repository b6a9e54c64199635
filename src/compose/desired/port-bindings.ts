import type { PortMap } from '../../wire/container.ts'
import type { Service } from '../model/service-model.ts'

export function exposedPorts(service: Service): Record<string, object> {
  const exposed: Record<string, object> = {}
  for (const text of service.expose) exposed[text.includes('/') ? text : `${text}/tcp`] = {}
  for (const { target, protocol } of service.ports) exposed[`${target}/${protocol || 'tcp'}`] = {}
  return exposed
}

export function portBindings(service: Service): PortMap {
  const bindings: PortMap = {}
  for (const { target, protocol, host_ip: ip, published } of service.ports)
    (bindings[`${target}/${protocol || 'tcp'}`] ??= []).push({ HostIp: ip, HostPort: published })
  return bindings
}
