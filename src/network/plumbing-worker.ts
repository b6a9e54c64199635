import { parentPort } from 'node:worker_threads'
import { SyscallError } from '../host/libc.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { connect, disconnect, remove, route, silence } from './endpoint.ts'
import type { Job, Plug, Reply } from './plumbing.ts'
import type { EndpointRecord } from './record.ts'

const host = new NetlinkSocket()

parentPort?.on('message', (job: Job) => parentPort?.postMessage(answer(job)))

function answer(job: Job): Reply {
  try {
    run(job)
    return { id: job.id }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    return { id: job.id, error: { syscall: error.syscall, errno: error.errno, message: error.message } }
  }
}

function run(job: Job): void {
  switch (job.kind) {
    case 'attach':
      return attach(job)
    case 'detach':
      for (const endpoint of job.endpoints) silence({ netnsPath: job.netnsPath, endpoint })
      return netns.remove(job.netnsPath)
    case 'plug':
      return plug(job.netnsPath, job.plug)
    case 'unplug':
      return unplug(job.netnsPath, job.endpoint)
    case 'route':
      return route(job.netnsPath, job.defaults)
    case 'delete-link':
      return disconnect(host, job.name)
  }
}

function attach({ netnsPath, plugs, defaults }: Extract<Job, { kind: 'attach' }>): void {
  netns.create(netnsPath)
  try {
    for (const plug of plugs) connect(host, { netnsPath, ...plug })
    if (defaults.v4 || defaults.v6) route(netnsPath, defaults)
  } catch (error) {
    for (const { endpoint } of plugs) unplug(netnsPath, endpoint)
    netns.remove(netnsPath)
    throw error
  }
}

function plug(netnsPath: string, { endpoint, socket }: Plug): void {
  try {
    connect(host, { netnsPath, endpoint, socket })
  } catch (error) {
    unplug(netnsPath, endpoint)
    throw error
  }
}

function unplug(netnsPath: string, endpoint: EndpointRecord): void {
  if (endpoint.hostInterface === '') remove(netnsPath, endpoint.interface)
  else disconnect(host, endpoint.hostInterface)
}
