/** Limits and devices of a container: the service's own keys, and what `deploy.resources` says over them. */
import type { Resources, Ulimit } from '../../wire/container.ts'
import type { Service } from '../model/service-model.ts'

type Device = Service['gpus'][number]

export function limits(service: Service): Resources {
  const { limits: limit, reservations: reserved } = service.deploy?.resources ?? {}
  const cpus = limit?.cpus || service.cpus
  const pids = limit?.pids || service.pids_limit
  return {
    CpuShares: service.cpu_shares,
    Memory: limit?.memory || service.mem_limit,
    // Docker compose reckons in floats of 32 bits.
    NanoCpus: Math.trunc(Math.fround(Math.fround(cpus) * 1e9)),
    CgroupParent: service.cgroup_parent,
    ...blkio(service),
    CpuPeriod: service.cpu_period,
    CpuQuota: service.cpu_quota,
    CpuRealtimePeriod: service.cpu_rt_period,
    CpuRealtimeRuntime: service.cpu_rt_runtime,
    CpusetCpus: service.cpuset,
    CpusetMems: '',
    ...devices(service),
    DeviceCgroupRules: service.device_cgroup_rules.length > 0 ? [...service.device_cgroup_rules] : null,
    DeviceRequests: deviceRequests(service),
    MemoryReservation: reserved?.memory || service.mem_reservation,
    MemorySwap: service.memswap_limit,
    MemorySwappiness: service.mem_swappiness || null,
    OomKillDisable: service.oom_kill_disable,
    PidsLimit: pids || null,
    Ulimits: ulimits(service),
    CpuCount: service.cpu_count,
    // Docker compose: in hundredths.
    CpuPercent: Math.trunc(service.cpu_percent * 100),
  }
}

/** A name of the Container Device Interface: `vendor.com/class=name`. */
const cdiName = /^[A-Za-z][\w.-]*\/[A-Za-z][\w-]*=[\w.:-]+$/

const isCdi = ({ source, target }: { source: string; target: string }) =>
  source === target && cdiName.test(source)

function devices(service: Service): Required<Pick<Resources, 'Devices'>> {
  const own = service.devices.filter((device) => !isCdi(device))
  if (own.length === 0) return { Devices: null }
  return {
    Devices: own.map(({ source, target, permissions }) => ({
      PathOnHost: source,
      PathInContainer: target,
      CgroupPermissions: permissions,
    })),
  }
}

function deviceRequests(service: Service): object[] | null {
  const reserved = service.deploy?.resources.reservations?.devices ?? []
  const cdi = service.devices.filter(isCdi).map(({ source }) => source)
  const requests = [
    ...reserved.map((device) => deviceRequest(device, [...device.capabilities])),
    ...(cdi.length > 0
      ? [{ Driver: 'cdi', Count: 0, DeviceIDs: cdi, Capabilities: null, Options: null }]
      : []),
    ...service.gpus.map((device) => deviceRequest(device, [...device.capabilities, 'gpu'])),
  ]
  return requests.length > 0 ? requests : null
}

function deviceRequest({ driver, count, device_ids: ids, options }: Device, capabilities: string[]): object {
  return {
    Driver: driver,
    Count: count,
    DeviceIDs: ids.length > 0 ? [...ids] : null,
    Capabilities: [capabilities],
    Options: options.size > 0 ? Object.fromEntries(options) : null,
  }
}

type BlkioLimits = Required<Pick<Resources, Extract<keyof Resources, `Blkio${string}`>>>

function blkio({ blkio_config: config }: Service): BlkioLimits {
  const none = {
    BlkioWeight: 0,
    BlkioWeightDevice: null,
    BlkioDeviceReadBps: null,
    BlkioDeviceWriteBps: null,
    BlkioDeviceReadIOps: null,
    BlkioDeviceWriteIOps: null,
  }
  if (!config) return none
  const throttle = (all: readonly { path: string; rate: number }[]) =>
    all.length > 0 ? all.map(({ path, rate }) => ({ Path: path, Rate: rate })) : null
  return {
    BlkioWeight: config.weight,
    BlkioWeightDevice:
      config.weight_device.length > 0
        ? config.weight_device.map(({ path, weight }) => ({ Path: path, Weight: weight }))
        : null,
    BlkioDeviceReadBps: throttle(config.device_read_bps),
    BlkioDeviceWriteBps: throttle(config.device_write_bps),
    BlkioDeviceReadIOps: throttle(config.device_read_iops),
    BlkioDeviceWriteIOps: throttle(config.device_write_iops),
  }
}

function ulimits(service: Service): Ulimit[] | null {
  if (service.ulimits.size === 0) return null
  return Array.from(service.ulimits, ([Name, { soft, hard }]) => ({ Name, Hard: hard, Soft: soft }))
}
