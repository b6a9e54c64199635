import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { EngineError, hasCode, messageOf } from '../../lib/errors.ts'

/** What the vendor of a device wants done to a container that gets it (CDI 1.0, "containerEdits"). */
export interface ContainerEdits {
  readonly env: readonly string[]
  readonly deviceNodes: readonly {
    readonly path: string
    readonly hostPath?: string | undefined
    readonly type?: string | undefined
    readonly major?: number | undefined
    readonly minor?: number | undefined
    readonly fileMode?: number | undefined
    readonly permissions?: string | undefined
    readonly uid?: number | undefined
    readonly gid?: number | undefined
  }[]
  readonly mounts: readonly {
    readonly hostPath: string
    readonly containerPath: string
    readonly type?: string | undefined
    readonly options?: readonly string[] | undefined
  }[]
  readonly hooks: readonly {
    readonly hookName: string
    readonly path: string
    readonly args?: readonly string[] | undefined
    readonly env?: readonly string[] | undefined
    readonly timeout?: number | undefined
  }[]
  readonly additionalGids: readonly number[]
}

const edits = z.object({
  env: z.array(z.string()).default([]),
  deviceNodes: z
    .array(
      z.object({
        path: z.string().startsWith('/'),
        hostPath: z.string().optional(),
        type: z.string().optional(),
        major: z.int().optional(),
        minor: z.int().optional(),
        fileMode: z.int().optional(),
        permissions: z.string().optional(),
        uid: z.int().optional(),
        gid: z.int().optional(),
      }),
    )
    .default([]),
  mounts: z
    .array(
      z.object({
        hostPath: z.string(),
        containerPath: z.string().startsWith('/'),
        type: z.string().optional(),
        options: z.array(z.string()).optional(),
      }),
    )
    .default([]),
  hooks: z
    .array(
      z.object({
        hookName: z.string(),
        path: z.string().startsWith('/'),
        args: z.array(z.string()).optional(),
        env: z.array(z.string()).optional(),
        timeout: z.int().optional(),
      }),
    )
    .default([]),
  additionalGids: z.array(z.int().nonnegative()).default([]),
  /** Cache and memory bandwidth of Intel's processors: not done here, so not passed over in silence. */
  intelRdt: z.undefined({ error: 'intelRdt is not supported' }).optional(),
})

const none: z.input<typeof edits> = {}
const file = z.object({
  cdiVersion: z.string(),
  kind: z.string().regex(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/, 'want vendor/class'),
  devices: z.array(z.object({ name: z.string(), containerEdits: edits.default(() => edits.parse(none)) })),
  containerEdits: edits.default(() => edits.parse(none)),
})

export const defaultCdiDirectories: readonly string[] = ['/etc/cdi', '/var/run/cdi']

/** A device of the host as its vendor describes it, with what all devices of its file share. */
export interface CdiDevice {
  readonly name: string
  readonly shared: ContainerEdits
  readonly own: ContainerEdits
}

/**
 * The devices of the host's CDI files by their qualified names (`vendor/class=name`). Read at each use: vendors write these files when
 * drivers change. A later directory wins; two of one directory leave a name without a device, as CDI wants. Files that are none are told
 * in `problems`.
 */
export function readCdiDevices(directories: readonly string[]): {
  devices: Map<string, CdiDevice>
  problems: string[]
} {
  const devices = new Map<string, CdiDevice>()
  const problems: string[] = []
  for (const directory of directories) {
    const here = new Map<string, CdiDevice | undefined>()
    for (const name of filesIn(directory)) {
      const path = join(directory, name)
      try {
        const spec = file.parse(parse(readFileSync(path, 'utf8')))
        for (const device of spec.devices) {
          const qualified = `${spec.kind}=${device.name}`
          if (here.has(qualified))
            problems.push(`${path}: another file of ${directory} has ${qualified}, too`)
          const found = { name: qualified, shared: spec.containerEdits, own: device.containerEdits }
          here.set(qualified, here.has(qualified) ? undefined : found)
        }
      } catch (error) {
        problems.push(`${path}: ${error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)}`)
      }
    }
    for (const [name, device] of here)
      if (device) devices.set(name, device)
      else devices.delete(name)
  }
  return { devices, problems }
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => ['.json', '.yaml', '.yml'].includes(extname(name)))
      .toSorted()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw new EngineError('internal', `cannot read CDI files: ${messageOf(error)}`, { cause: error })
  }
}
