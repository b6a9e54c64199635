/** Files of this machine that become a ConfigMap: there is no machine of ours in a cluster. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { hasCode } from '../../lib/errors.ts'
import type { Path } from '../node.ts'
import { kubeName } from './kube-name.ts'
import type { Translation } from './translation.ts'

/** Kubernetes takes 1 MiB for the whole object, written as base64 if need be. */
const maxBytes = 512 * 1024

interface HostSource {
  readonly service: string
  readonly source: string
  readonly path: Path
}

/** A file, or a folder that has nothing but files. `key`: the one that is meant; undefined for a whole folder. */
export function configMapOf(
  t: Translation,
  { service, source, path }: HostSource,
): { name: string; key: string | undefined } | undefined {
  const files = readFiles(source)
  if (typeof files === 'string') {
    t.lost(path, `${files}; a cluster does not see this machine: put it into the image or a volume`)
    return undefined
  }
  const single = lstatSync(source).isFile()
  const name = kubeName(`${t.nameOf(service)}-${relative(t.project.folder, source)}`)
  t.add({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: t.metadata(name, service),
    ...contentsOf(files),
  })
  return { name, key: single ? basename(source) : undefined }
}

/** Text is readable in the manifest; what is none goes as base64. */
export function contentsOf(files: ReadonlyMap<string, Buffer>): {
  data?: Record<string, string>
  binaryData?: Record<string, string>
} {
  const data: Record<string, string> = {}
  const binaryData: Record<string, string> = {}
  for (const [name, content] of files) {
    const text = content.toString()
    if (Buffer.from(text).equals(content) && !text.includes('\0')) data[name] = text
    else binaryData[name] = content.toString('base64')
  }
  return {
    ...(Object.keys(data).length > 0 && { data }),
    ...(Object.keys(binaryData).length > 0 && { binaryData }),
  }
}

/** Or why not. */
function readFiles(source: string): ReadonlyMap<string, Buffer> | string {
  try {
    const whole = lstatSync(source)
    if (!whole.isFile() && !whole.isDirectory()) return `${source} is neither a file nor a folder`
    const paths = whole.isFile() ? [source] : readdirSync(source).map((name) => join(source, name))
    const files = new Map<string, Buffer>()
    let bytes = 0
    for (const path of paths) {
      const status = lstatSync(path)
      if (!status.isFile()) return `${source} has more in it than files`
      if ((bytes += status.size) > maxBytes) return `${source} is larger than ${maxBytes / 1024} KiB`
      const name = basename(path)
      if (!/^[-._a-zA-Z0-9]+$/.test(name))
        return `a ConfigMap cannot hold a file named ${JSON.stringify(name)}`
      files.set(name, readFileSync(path))
    }
    return files.size === 0 ? `${source} is empty` : files
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'ENOTDIR')) throw error
    return hasCode(error, 'EACCES') ? `${source} cannot be read` : `${source} does not exist`
  }
}
