/** Ports and names go from a running container to the one that is to take its place. */
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { servedConnections } from '../host/served-connections.ts'
import { standbyLabel, tookOverLabel } from '../wire/container.ts'
import type { Container } from './container.ts'
import { save, type Host } from './host.ts'
import { namesOn, ownNames } from './networking.ts'
import { portRequests } from './ports.ts'
import { isLive } from './state.ts'

/**
 * No client outside finds nobody; connections to the first one stay with it. That may have ended: then nobody was found anyway. From
 * here on the heir is a container like any other, whatever becomes of the first one. Kind `conflict` unless it runs.
 */
export async function handOver(op: Op, host: Host, o: { from: Container; to: Container }): Promise<void> {
  const { from, to } = o
  if (from.id === to.id) throw new EngineError('invalid', 'a container cannot take over from itself')
  // In one order, whoever asks: two calls never wait for each other.
  const [first, second] = from.id < to.id ? [from, to] : [to, from]
  using _first = await first.lock.acquire(op.signal)
  using _second = await second.lock.acquire(op.signal)
  if (!isLive(to.state)) throw new EngineError('conflict', `Container ${to.name} is not running`)
  for (const c of isLive(from.state) ? [from, to] : [to])
    if (!host.networks.sandbox(c.id))
      throw new EngineError(
        'conflict',
        `Container ${c.name} has no network of its own: nothing can be taken over`,
      )
  await host.networks.handOver(op, {
    from: from.id,
    to: to.id,
    ports: portRequests(to.config, to.hostConfig),
    names: (network) => namesOn(to, to.endpoints[network], to.name),
    left: () => ownNames(from),
    alongside: () => save(host, to, { config: { ...to.config, Labels: labelsOfHeir(to, from) } }),
  })
}

/** Compose reads there who of the two serves, should the `up` that rolls not live to say so. */
function labelsOfHeir(to: Container, from: Container): Record<string, string> {
  const labels = { ...to.config.Labels }
  if (labels[standbyLabel] !== from.id) return labels
  delete labels[standbyLabel]
  return { ...labels, [tookOverLabel]: from.id }
}

/** Connections of clients that a running container serves at the moment. */
export function connectionsOf(c: Container): number {
  return isLive(c.state) ? servedConnections(c.state.pid) : 0
}
