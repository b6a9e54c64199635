import type { Action, Need } from './access.ts'
import { deleteBlob, getBlob } from './blobs.ts'
import type { Call } from './call.ts'
import { catalog, listReferrers, listTags } from './lists.ts'
import { deleteManifest, getManifest, putManifest } from './manifests.ts'
import type { Target } from './target.ts'
import { cancelUpload, finishUpload, patchUpload, startUpload, uploadStatus } from './uploads.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

const methods: Record<Target['kind'], readonly Method[]> = {
  base: ['GET', 'HEAD'],
  catalog: ['GET', 'HEAD'],
  tags: ['GET', 'HEAD'],
  manifest: ['GET', 'HEAD', 'PUT', 'DELETE'],
  blob: ['GET', 'HEAD', 'DELETE'],
  uploads: ['POST'],
  upload: ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'],
  referrers: ['GET', 'HEAD'],
}

export const methodsOf = (target: Target): readonly Method[] => methods[target.kind]

/** What the caller must be allowed to do, by docker's names. */
export function needOf(target: Target, method: Method): Need {
  if (target.kind === 'base') return { kind: 'login' }
  if (target.kind === 'catalog') return { kind: 'catalog' }
  return { kind: 'repository', name: target.name, actions: actionsOf(target, method) }
}

function actionsOf(target: Target, method: Method): readonly Action[] {
  // Docker: those who push may pull, and an upload is a push from its first request to its last.
  if (target.kind === 'uploads' || target.kind === 'upload') return ['pull', 'push']
  if (method === 'DELETE') return ['delete']
  return method === 'PUT' ? ['pull', 'push'] : ['pull']
}

/** `method` is one of those for the target. */
export async function handle(call: Call, target: Target, method: Method): Promise<void> {
  if (target.kind === 'base') return sendBase(call)
  if (target.kind === 'catalog') return await catalog(call)
  const at = { ...call, repository: call.registry.repository(target.name) }
  switch (target.kind) {
    case 'tags':
      return await listTags(at)
    case 'referrers':
      return await listReferrers(at, target.digest)
    case 'manifest':
      if (method === 'PUT') return await putManifest(at, target.reference)
      if (method === 'DELETE') return await deleteManifest(at, target.reference)
      return await getManifest(at, target.reference)
    case 'blob':
      if (method === 'DELETE') return await deleteBlob(at, target.digest)
      return await getBlob(at, target.digest)
    case 'uploads':
      return await startUpload(at)
    case 'upload':
      if (method === 'PATCH') return await patchUpload(at, target.id)
      if (method === 'PUT') return await finishUpload(at, target.id)
      if (method === 'DELETE') return await cancelUpload(at, target.id)
      return await uploadStatus(at, target.id)
  }
}

/** "Determining Support". Docker's registry answers an empty object, and clients of old want it. */
function sendBase(call: Call): void {
  const text = '{}'
  call.response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length })
  call.response.end(call.request.method === 'HEAD' ? undefined : text)
}
