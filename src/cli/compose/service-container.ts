import { observeContainers, type ObservedContainer } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Context } from '../command.ts'
import { int } from '../flags.ts'
import { projectOrName } from './open-project.ts'

/** Of commands that mean one container of a service. */
export const indexFlag = () => int('Index of the container if service has multiple replicas', { kind: 'int' })

/**
 * The container that a service's name means: the first of its replicas, or the one with the number; before those that `run` made.
 * Throws kind `not-found` in docker compose's words.
 */
export async function serviceContainer(
  context: Context,
  service: string,
  o: { index?: number; all?: boolean } = {},
): Promise<ObservedContainer> {
  const { name } = await projectOrName(context, [service])
  const found = await observeContainers(context.client, name, { oneOff: 'include', running: !o.all })
  const own = found
    .filter((each) => each.service === service)
    .toSorted((a, b) => Number(a.oneOff) - Number(b.oneOff))
  const { index = 0 } = o
  const container = own.find((each) => index <= 0 || (each.number === index && !each.oneOff))
  if (container) return container
  if (index > 0) throw noSuchIndex(service, index)
  throw new EngineError('not-found', `service "${service}" is not running`)
}

export const noSuchIndex = (service: string, index: number) =>
  new EngineError('not-found', `service "${service}" is not running container #${index}`)
