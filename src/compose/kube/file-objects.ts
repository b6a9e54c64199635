/** Secrets and configs of the project. */
import { lstatSync, readFileSync } from 'node:fs'
import { hasCode } from '../../lib/errors.ts'
import type { FileObject } from '../model/project-model.ts'
import { ComposeError } from '../node.ts'
import { contentsOf } from './host-files.ts'
import { objectName } from './mounts.ts'
import type { Translation } from './translation.ts'

/** Kubernetes takes no larger object. */
const maxBytes = 1 << 20

export function addFileObjects(t: Translation): void {
  for (const kind of ['secrets', 'configs'] as const)
    for (const [key, object] of t.project[kind]) {
      const path = [kind, key]
      const what = kind === 'secrets' ? 'Secret' : 'ConfigMap'
      const name = objectName(key, object)
      if (object.external) {
        t.hint(path, `a ${what} ${name} with the key ${key} has to be there`)
        continue
      }
      if (object.driver !== '' || object.template_driver !== '')
        t.lost(path, 'drivers of secrets and configs have no counterpart')
      const content = contentOf(t, object)
      if (!content) continue
      const { data, binaryData } = contentsOf(new Map([[key, content]]))
      t.add({
        apiVersion: 'v1',
        kind: what,
        metadata: t.metadata(name, undefined, t.annotations([...path, 'labels'], object.labels)),
        ...(what === 'ConfigMap'
          ? { ...(data && { data }), ...(binaryData && { binaryData }) }
          : { type: 'Opaque', ...(data && { stringData: data }), ...(binaryData && { data: binaryData }) }),
      })
    }
}

/** Undefined for one without content. Throws ComposeError for one that is not to be had. */
function contentOf({ project }: Translation, object: FileObject): Buffer | undefined {
  if (object.content !== '') return Buffer.from(object.content)
  if (object.environment !== '') {
    const value = project.environment.get(object.environment)
    if (value === undefined)
      throw new ComposeError(object.at, `environment variable "${object.environment}" is not set`)
    return Buffer.from(value)
  }
  if (object.file === '') return undefined
  try {
    if (lstatSync(object.file).size > maxBytes)
      throw new ComposeError(object.at, `${object.file} is larger than 1 MiB, the most that Kubernetes takes`)
    return readFileSync(object.file)
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error
    throw new ComposeError(object.at, `open ${object.file}: cannot be read`, { cause: error })
  }
}
