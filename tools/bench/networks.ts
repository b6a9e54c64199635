/**
 * What networks cost a container: namespace, veth, address, route, one published port and names. `tools/with-node
 * tools/bench/networks.ts` as root; milliseconds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { background } from '../../src/lib/op.ts'
import { Networks } from '../../src/network/index.ts'
import { Store } from '../../src/store/index.ts'
import { table } from './table.ts'

const rounds = 50
const op = background(silentLogger)
const folder = mkdtempSync(join(tmpdir(), 'gnet-'))
const store = Store.open(join(folder, 'db'))
const networks = await Networks.open(op, {
  store,
  runDir: folder,
  bridge: { name: `gb${process.pid}`, mtu: 1500 },
  respectHostFirewall: false,
  instance: `b${process.pid.toString(36)}`,
  emit: () => {},
})
const rows: string[][] = []
const row = (what: string, times: number[]) => {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1)
  rows.push([what, at(0.5), at(0.95)])
}
const timed = async (times: number[], work: () => Promise<unknown>) => {
  const started = performance.now()
  await work()
  times.push(performance.now() - started)
}

try {
  for (const name of ['own', 'other'])
    await networks.create(op, {
      name,
      driver: 'bridge',
      internal: false,
      attachable: false,
      ipv4: true,
      ipv6: false,
      subnets: [],
      options: {},
      labels: {},
    })
  const port = { containerPort: 80, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 0 } as const
  for (const [what, on, ports] of [
    ['default bridge', ['bridge'], []],
    ['default bridge, a port', ['bridge'], [port]],
    ['a network with names', ['own'], []],
    ['two networks, a port', ['own', 'other'], [port]],
  ] as const) {
    const joins: number[] = []
    const leaves: number[] = []
    for (let i = 0; i < rounds; i++) {
      const id = newId()
      const requests = on.map((network) => ({ network, names: ['web'] }))
      await timed(joins, () => networks.join(op, { id, owner: 'web', networks: requests, ports }))
      await timed(leaves, () => networks.leave(op, id))
    }
    row(`join ${what}`, joins)
    row(`leave ${what}`, leaves)
  }
} finally {
  for (const network of networks.list()) if (network.userDefined) await networks.remove(op, network.id)
  await networks.close(op)
  store.close()
  rmSync(folder, { recursive: true, force: true })
}
console.log(table(['ms', 'p50', 'p95'], rows))
