/**
 * The hash of a service's configuration, as docker compose computes it (label `com.docker.compose.config-hash`): whoever
 * finds the same hash on a container knows that it need not be made again.
 */
import { createHash } from 'node:crypto'
import { service as shape, type Service } from './model/service-model.ts'
import { writeJson } from './write-json.ts'

export function serviceHash(service: Service): string {
  return createHash('sha256').update(hashedConfig(service)).digest('hex')
}

/** The JSON that is hashed. What changes nothing in a container that is there does not count. */
export function hashedConfig(service: Service): string {
  const counted: Service = {
    ...service,
    build: undefined,
    pull_policy: '',
    scale: undefined,
    deploy: service.deploy && { ...service.deploy, replicas: undefined },
    depends_on: new Map(),
    profiles: [],
  }
  return writeJson(shape.write(counted, 'json') ?? new Map())
}
