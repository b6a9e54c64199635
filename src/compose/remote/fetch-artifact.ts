import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf, isDigest, parseDigest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, parseReference, withDefaultTag } from '../../lib/reference.ts'
import type { Repository } from '../../registry/index.ts'
import {
  annotation,
  envFileType,
  fileType,
  isProject,
  maxLayerBytes,
  projectManifest,
  type ProjectManifest,
} from './artifact.ts'
import { intoCache } from './cache.ts'
import { artifactScheme } from './remote-file.ts'

type Layer = ProjectManifest['layers'][number]

const main = 'compose.yaml'
/** Docker compose: files over each other become documents of one. */
const separator = '\n---\n'

/** The main file of a published application, in a folder of the cache by its digest. */
export async function fetchArtifact(
  op: Op,
  address: string,
  o: { cache: string; open: (op: Op, domain: string, path: string) => Promise<Repository> },
): Promise<string> {
  const reference = withDefaultTag(parseReference(address.slice(artifactScheme.length)))
  const { domain, path, digest, tag = 'latest' } = reference
  if (digest !== undefined && isDigest(digest)) {
    const known = join(o.cache, hexOf(digest), main)
    if (existsSync(known)) return known
  }
  const repository = await o.open(op, domain, path)
  const found = await repository.manifest(op, digest ?? tag)
  const manifest = decode(found.data, canonical(reference))
  const folder = await intoCache(o.cache, hexOf(found.digest), (into) =>
    unpack(op, manifest, { into, repository }),
  )
  return join(folder, main)
}

function decode(data: Buffer, name: string): ProjectManifest {
  const decoded = projectManifest.safeParse(JSON.parse(data.toString()))
  if (decoded.success && isProject(decoded.data)) return decoded.data
  const type = decoded.data?.artifactType ?? decoded.data?.config?.mediaType ?? 'something else'
  throw new EngineError('invalid', `${name} is not a compose project OCI artifact, but ${type}`)
}

async function unpack(
  op: Op,
  manifest: ProjectManifest,
  { into, repository }: { into: string; repository: Repository },
): Promise<void> {
  await mkdir(into, { mode: 0o700 })
  const documents: string[] = []
  for (const layer of manifest.layers) {
    const {
      [annotation.extends]: extended,
      [annotation.file]: file,
      [annotation.envFile]: envFile,
    } = layer.annotations ?? {}
    if (layer.mediaType === fileType && extended !== 'true') documents.push(await read(op, repository, layer))
    else if (layer.mediaType === fileType)
      await writeFile(join(into, nameOf(file)), await read(op, repository, layer), { flag: 'wx' })
    else if (layer.mediaType === envFileType)
      await writeFile(join(into, nameOf(envFile)), await read(op, repository, layer), {
        flag: 'wx',
        mode: 0o600,
      })
  }
  await writeFile(join(into, main), documents.join(separator), { flag: 'wx' })
}

/** Whoever published it chose the name: it is that of a file in the folder, and no other. */
function nameOf(name = ''): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$/.test(name) && name !== main) return name
  throw new EngineError('invalid', `the artifact has a file of the name ${JSON.stringify(name)}: refused`)
}

async function read(op: Op, repository: Repository, { digest, size }: Layer): Promise<string> {
  const wanted = parseDigest(digest)
  if (size > maxLayerBytes)
    throw new EngineError('invalid', `a file of the artifact has ${size} bytes: more than ${maxLayerBytes}`)
  const chunks: Buffer[] = []
  for await (const chunk of repository.blob(op, { digest: wanted, size }) as AsyncIterable<Buffer>)
    chunks.push(Buffer.from(chunk))
  const data = Buffer.concat(chunks)
  if (digestOf(data) !== wanted)
    throw new EngineError('invalid', `a file of the artifact is not what its digest ${wanted} says`)
  return data.toString()
}
