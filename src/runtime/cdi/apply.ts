import { EngineError } from '../../lib/errors.ts'
import type { HostFacts } from '../host-facts.ts'
import type { OciDevice, OciHook, OciHooks, OciSpec } from '../oci-spec.ts'
import type { CdiDevice, ContainerEdits } from './spec-files.ts'

const hookNames: readonly (keyof OciHooks)[] = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
]

/** The spec with what the devices ask for. What all devices of a file share is done once. */
export function withCdiDevices(spec: OciSpec, devices: readonly CdiDevice[], facts: HostFacts): OciSpec {
  const edits = [...new Set(devices.map((device) => device.shared)), ...devices.map((device) => device.own)]
  return edits.reduce((changed, one) => applyEdits(changed, one, facts), spec)
}

function applyEdits(spec: OciSpec, edits: ContainerEdits, facts: HostFacts): OciSpec {
  const { process, linux } = spec
  const nameOf = (entry: string) => entry.split('=', 1)[0]
  const names = new Set(edits.env.map(nameOf))
  const nodes = edits.deviceNodes.map((node) => ({ node, device: deviceOf(node, facts) }))
  const taken = new Set(nodes.map(({ device }) => device.path))
  const gids = [...new Set([...(process.user.additionalGids ?? []), ...edits.additionalGids])]
  return {
    ...spec,
    process: {
      ...process,
      env: [...process.env.filter((entry) => !names.has(nameOf(entry))), ...edits.env],
      user: { ...process.user, ...(gids.length > 0 && { additionalGids: gids }) },
    },
    mounts: [
      ...spec.mounts,
      ...edits.mounts.map((mount) => ({
        destination: mount.containerPath,
        source: mount.hostPath,
        type: mount.type ?? 'bind',
        options: [...(mount.options ?? ['ro', 'nosuid', 'nodev', 'bind'])],
      })),
    ],
    ...hooksOf(spec, edits),
    linux: {
      ...linux,
      devices: [
        ...(linux.devices ?? []).filter((device) => !taken.has(device.path)),
        ...nodes.map(({ device }) => device),
      ],
      resources: {
        ...linux.resources,
        devices: [
          ...(linux.resources.devices ?? []),
          ...nodes.map(({ node, device: { type, major, minor } }) => ({
            allow: true,
            type: type === 'b' ? ('b' as const) : ('c' as const),
            major,
            minor,
            access: node.permissions || 'rwm',
          })),
        ],
      },
    },
  }
}

/** CDI: what a file does not say of a node is taken from the host's. */
function deviceOf(node: ContainerEdits['deviceNodes'][number], facts: HostFacts): OciDevice {
  const { path, hostPath, type, major, minor, fileMode, uid, gid } = node
  const known = type !== undefined && major !== undefined && minor !== undefined
  const [found] = known ? [] : facts.devices(hostPath || path)
  const kind = type ?? found?.type
  if (kind !== 'b' && kind !== 'c' && kind !== 'p')
    throw new EngineError('invalid', `CDI device injection failed: ${path}: type ${kind ?? ''} is no device`)
  return {
    path,
    type: kind,
    major: major ?? found?.major ?? 0,
    minor: minor ?? found?.minor ?? 0,
    ...(fileMode !== undefined
      ? { fileMode }
      : found?.fileMode !== undefined && { fileMode: found.fileMode }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  }
}

function hooksOf(spec: OciSpec, edits: ContainerEdits): { hooks?: OciHooks } {
  if (edits.hooks.length === 0) return {}
  const hooks: Partial<Record<keyof OciHooks, OciHook[]>> = { ...spec.hooks }
  for (const { hookName, path, args, env, timeout } of edits.hooks) {
    const name = hookNames.find((known) => known === hookName)
    if (!name) throw new EngineError('invalid', `CDI device injection failed: unknown hook ${hookName}`)
    const hook: OciHook = {
      path,
      ...(args && { args: [...args] }),
      ...(env && { env: [...env] }),
      ...(timeout !== undefined && { timeout }),
    }
    hooks[name] = [...(hooks[name] ?? []), hook]
  }
  return { hooks }
}
