import { parentPort } from 'node:worker_threads'
import { SyscallError } from '../host/libc.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { connect, disconnect, silence } from './endpoint.ts'
import type { BridgePort, Job, Reply, Wiring } from './plumbing.ts'

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
      return attach(job.wiring, job.bridge)
    case 'detach':
      return detach(job.wiring)
    case 'delete-link':
      return disconnect(host, job.name)
  }
}

function attach(wiring: Wiring, bridge: BridgePort): void {
  const { netnsPath } = wiring
  netns.create(netnsPath)
  try {
    for (const [position, endpoint] of wiring.endpoints.entries())
      connect(host, { netnsPath, endpoint, position, bridge })
  } catch (error) {
    for (const endpoint of wiring.endpoints) disconnect(host, endpoint.hostInterface)
    netns.remove(netnsPath)
    throw error
  }
}

function detach({ netnsPath, endpoints }: Wiring): void {
  for (const [position, endpoint] of endpoints.entries()) silence({ netnsPath, endpoint, position })
  netns.remove(netnsPath)
}
