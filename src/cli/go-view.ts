/** Makes decoded API answers look to templates as they do in docker, where they are Go structs. */
import { asMap, nilList, nilMap } from '../lib/go-template.ts'

/** Maps by the field that holds them, and whether their values are strings. */
const maps = new Map<string, { readonly ofStrings: boolean }>()
for (const name of 'Labels Options Sysctls Tmpfs Annotations Data Attributes DriverOpts StorageOpt Details'.split(
  ' ',
))
  maps.set(name, { ofStrings: true })
for (const name of 'ExposedPorts Volumes Ports Networks PortBindings Containers Runtimes IndexConfigs'.split(
  ' ',
))
  maps.set(name, { ofStrings: false })

const lists = new Set(
  'Entrypoint Cmd Env Binds CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt VolumesFrom Devices DeviceCgroupRules DeviceRequests Ulimits BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps MaskedPaths ReadonlyPaths Aliases DNSNames ExecIDs Mounts OnBuild Shell RepoTags RepoDigests SecondaryIPAddresses SecondaryIPv6Addresses Authorization'.split(
    ' ',
  ),
)
/** Fields that the API leaves out when they are not set, by the object that would have them. */
const optional: Readonly<Record<string, readonly string[]>> = {
  '': ['SizeRw', 'SizeRootFs', 'UsageData'],
  State: ['Health'],
  Config: [
    'ExposedPorts',
    'Healthcheck',
    'StopTimeout',
    'Shell',
    'OnBuild',
    'StopSignal',
    'MacAddress',
    'ArgsEscaped',
  ],
  HostConfig: ['Annotations', 'Tmpfs', 'Sysctls', 'StorageOpt', 'Init', 'Mounts', 'PidsLimit'],
}

/** Changes the value in place and returns it. */
export function goView<T>(value: T, key = '', parent = ''): T {
  if (Array.isArray(value)) {
    for (const item of value) goView(item as unknown, '', key)
    return value
  }
  if (typeof value !== 'object' || value === null) return value
  // JSON objects only: their fields may be of any kind.
  const object = value as Record<string, unknown>
  const map = mapAt(key, parent)
  if (map) asMap(object, map)
  for (const [name, item] of Object.entries(object)) {
    if (item !== null) goView(item, name, key)
    else if (lists.has(name) || key === 'Ports' || key === 'PortBindings') object[name] = nilList()
    else if (mapAt(name, key)) object[name] = nilMap(mapAt(name, key))
  }
  for (const name of optional[key] ?? [])
    if (!Object.hasOwn(object, name))
      // Not enumerable: `{{json .}}` shows what the daemon sent.
      Object.defineProperty(object, name, {
        value: lists.has(name) ? nilList() : maps.has(name) ? nilMap(maps.get(name)) : null,
      })
  return value
}

function mapAt(key: string, parent: string): { readonly ofStrings: boolean } | undefined {
  return key === 'Config' && parent === 'LogConfig' ? { ofStrings: true } : maps.get(key)
}
