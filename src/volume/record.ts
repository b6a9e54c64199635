import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'

export interface Volume {
  readonly name: string
  /** Absolute path of its content on the host; empty while a volume with mount options is not in use. */
  readonly mountpoint: string
  readonly driver: 'local'
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  /** Nobody chose its name: it goes with its container (`rm -v`, `--rm`) and with `volume prune`. */
  readonly anonymous: boolean
}

/** A pruned volume that can still be had back. */
export interface TrashedVolume {
  /** Of this piece of trash; several may have had one name. */
  readonly id: string
  readonly name: string
  readonly path: string
  readonly createdAt: string
  readonly since: string
  readonly until: string
}

export interface VolumeRequest {
  /** Without one the volume is anonymous. */
  readonly name?: string
  readonly driver?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly options?: Readonly<Record<string, string>>
}

const texts = z.record(z.string(), z.string())

export const volumeRecord = z.object({
  name: z.string(),
  createdAt: z.string(),
  labels: texts,
  options: texts.default({}),
  /** Content of an image is being copied in: what is there may be half of it. */
  populating: z.boolean(),
  /** It was pruned: its folder has the record's key for a name, until this time. */
  trash: z.object({ since: z.string(), until: z.string() }).optional(),
})
export type VolumeRecord = z.infer<typeof volumeRecord>

/** Docker's mark of volumes that nobody named. */
export const anonymousLabel = 'com.docker.volume.anonymous'

/** Docker's rules and texts. */
export function checkName(name: string): void {
  if (name.length < 2)
    throw new EngineError(
      'invalid',
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    )
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name))
    throw new EngineError(
      'invalid',
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    )
  if (name.length > 200)
    throw new EngineError('invalid', `create ${name.slice(0, 20)}…: volume name is too long`)
}
