/** Health checks. Docker stops nothing that is unhealthy, so they tell readiness, not life. */
import type { IProbe } from 'kubernetes-models/v1'
import type { HealthConfig } from '../../wire/container.ts'
import type { Service } from '../model/project-model.ts'
import type { Translation } from './translation.ts'

/** Docker's defaults, in seconds. */
const usual = { interval: 30, timeout: 30, retries: 3 }

const seconds = (nanoseconds: number | undefined, otherwise: number) =>
  nanoseconds ? Math.max(1, Math.ceil(nanoseconds / 1e9)) : otherwise

/** Of the service, else of its image; undefined without one. */
export function readinessProbe(t: Translation, name: string, service: Service): IProbe | undefined {
  const own = service.healthcheck
  const image: HealthConfig = t.options.images.get(name)?.Healthcheck ?? {}
  if (own?.disable === true) return undefined
  const test = own && own.test.length > 0 ? own.test : (image.Test ?? [])
  const command = commandOf(test)
  if (!command) return undefined
  return {
    exec: { command },
    periodSeconds: seconds(own?.interval ?? image.Interval, usual.interval),
    timeoutSeconds: seconds(own?.timeout ?? image.Timeout, usual.timeout),
    failureThreshold: own?.retries || image.Retries || usual.retries,
  }
}

function commandOf([form, ...words]: readonly string[]): string[] | undefined {
  if (form === 'CMD' && words.length > 0) return words
  return form === 'CMD-SHELL' ? ['/bin/sh', '-c', words.join(' ')] : undefined
}
