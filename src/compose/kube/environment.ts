/** Variables of a container: those that look like secrets come from a Secret. */
import type { IEnvVar } from 'kubernetes-models/v1'
import { looksSecret } from '../../lib/looks-secret.ts'
import type { Service } from '../model/project-model.ts'
import { literal } from './literal.ts'
import type { Translation } from './translation.ts'

export function environmentOf(t: Translation, name: string, service: Service): IEnvVar[] {
  const secrets: Record<string, string> = {}
  const secret = `${t.nameOf(name)}-env`
  const all = [...service.environment]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, value]): IEnvVar[] => {
      if (value === null) {
        const image = t.options.images.get(name)?.Env ?? []
        if (image.some((pair) => pair.startsWith(`${key}=`)))
          t.lost(['services', name, 'environment', key], 'a variable of the image cannot be taken away')
        return []
      }
      if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(key)) {
        t.lost(['services', name, 'environment', key], 'Kubernetes allows no such name of a variable')
        return []
      }
      if (!looksSecret(key, value)) return [{ name: key, value: literal(value) }]
      secrets[key] = value
      return [{ name: key, valueFrom: { secretKeyRef: { name: secret, key } } }]
    })
  if (Object.keys(secrets).length > 0)
    t.add({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: t.metadata(secret, name),
      type: 'Opaque',
      stringData: secrets,
    })
  return all
}
