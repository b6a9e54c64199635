import { EngineError } from '../../lib/errors.ts'
import type { HostConfig } from '../../wire/container.ts'
import { readCdiDevices, type CdiDevice } from './spec-files.ts'

interface DeviceRequest {
  readonly Driver?: string
  readonly Count?: number
  readonly DeviceIDs?: readonly string[] | null
  readonly Capabilities?: readonly (readonly string[])[] | null
  readonly Options?: Readonly<Record<string, string>> | null
}

/** The kind under which NVIDIA's toolkit writes its CDI file: what `--gpus` means where that is there. */
const gpuKind = 'nvidia.com/gpu'

/**
 * The devices that `--device vendor/class=name` and `--gpus` ask for. Throws kind `invalid` with docker's texts for what the host's
 * CDI files do not have.
 */
export function requestedDevices(
  requests: HostConfig['DeviceRequests'],
  directories: readonly string[],
): CdiDevice[] {
  if (!requests || requests.length === 0) return []
  const { devices, problems } = readCdiDevices(directories)
  // The API has checked that they are objects; each field is looked at here.
  const names = (requests as DeviceRequest[]).flatMap((request) => namesOf(request, devices))
  const missing = names.filter((name) => !devices.has(name))
  if (missing.length > 0)
    throw new EngineError(
      'invalid',
      `CDI device injection failed: unresolvable CDI devices ${missing.join(', ')} (looked in ${directories.join(', ')}${problems.length > 0 ? `; ${problems.join('; ')}` : ''})`,
    )
  return [...new Set(names)].flatMap((name) => devices.get(name) ?? [])
}

function namesOf(request: DeviceRequest, devices: ReadonlyMap<string, CdiDevice>): string[] {
  const { Driver: driver = '', DeviceIDs: ids, Count: count = 0, Capabilities: capabilities } = request
  if (driver === 'cdi') {
    if (count !== 0 || Object.keys(request.Options ?? {}).length > 0)
      throw new EngineError('invalid', 'invalid device request: a CDI device has neither a count nor options')
    return [...(ids ?? [])]
  }
  const gpus = [...devices.keys()].filter((name) => name.startsWith(`${gpuKind}=`))
  const wanted = capabilities?.some((set) => set.includes('gpu')) ?? false
  if (!['', 'nvidia'].includes(driver) || !wanted || gpus.length === 0)
    throw new EngineError(
      'invalid',
      `could not select device driver "${driver}" with capabilities: ${shown(capabilities)}`,
    )
  if (ids && ids.length > 0) return ids.map((id) => `${gpuKind}=${id}`)
  if (count < 0) return [`${gpuKind}=all`]
  return Array.from({ length: count }, (_, index) => `${gpuKind}=${index}`)
}

/** As Go prints lists of lists. */
function shown(capabilities: DeviceRequest['Capabilities']): string {
  return `[${(capabilities ?? []).map((set) => `[${set.join(' ')}]`).join(' ')}]`
}
