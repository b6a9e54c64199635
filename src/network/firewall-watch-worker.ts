/** Sleeps until somebody changes the host's nftables: see FirewallWatch. */
import { parentPort, workerData } from 'node:worker_threads'
import { Epoll, EPOLLIN } from '../host/epoll.ts'
import { NftEvents } from '../host/nft-events.ts'
import { closeFd } from '../host/socket.ts'
import type { ForeignChange, WatchData } from './firewall-watch.ts'

const { stop, table } = workerData as WatchData // FirewallWatch is the only one to start this
const own = `inet ${table}`
const dockerChains = ['ip', 'ip6'].flatMap((family) =>
  ['FORWARD', 'DOCKER-USER'].map((chain) => `${family} filter ${chain}`),
)

using events = new NftEvents()
using epoll = new Epoll()
epoll.watch(stop, EPOLLIN)
epoll.watch(events.fd, EPOLLIN)

for (let stopped = false; !stopped;) {
  epoll.wait(-1, (fd) => {
    if (fd === stop) stopped = true
    else report()
  })
}
closeFd(stop)

function report(): void {
  const changes = events.read()
  if (changes === 'overrun') {
    tell({ own: true, drained: true, dockerUser: true })
    return
  }
  for (const change of changes) {
    // Elements are changed by the main thread itself.
    if (change.pid === process.pid) continue
    tell({
      own: change.tables.has(own),
      drained: change.pid !== undefined && change.drained.has(own),
      dockerUser: dockerChains.some((chain) => change.chains.has(chain)),
    })
  }
}

function tell(change: ForeignChange): void {
  if (change.own || change.dockerUser) parentPort?.postMessage(change)
}
