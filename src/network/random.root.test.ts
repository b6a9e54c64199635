/**
 * Random operations on networks and sandboxes, several at once, with daemons that end in between; afterwards nothing may be left.
 * GANTRY_RANDOM_OPS=500 for more of them, GANTRY_RANDOM_SEED for a sequence seen before.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EngineError } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { inNetns } from '../host/netns.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import { query } from '../host/nft.ts'
import { listAddresses, listLinks } from '../host/rtnetlink.ts'
import { Store } from '../store/index.ts'
import { Networks } from './networks.ts'

const op = background(silentLogger)
const count = Number(process.env['GANTRY_RANDOM_OPS'] ?? 120)
const seed = Number(process.env['GANTRY_RANDOM_SEED'] ?? Date.now() % 1_000_000)

test(`${count} random operations leave nothing (seed ${seed})`, async (t) => {
  const random = seededRandom(seed)
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)]
  const folder = mkdtempSync(join(tmpdir(), 'gnet-'))
  const store = Store.open(join(folder, 'db'))
  const instance = `r${process.pid.toString(36)}`
  const open = () =>
    Networks.open(op, {
      store,
      runDir: folder,
      bridge: { name: `gr${process.pid}`, mtu: 1500 },
      instance,
      addressPools: [{ base: '10.211.0.0/16', size: 24 }],
      emit: () => {},
    })
  let networks = await open()
  // Also after a failure.
  t.after(async () => {
    await networks.reconcile(op, new Set()).catch(() => {})
    await networks.close(op).catch(() => {})
  })
  const before = elements(await query(op, ['list', 'table', 'inet', `gantry_${instance}`]))
  const live = new Set<string>()
  let next = 0

  const operations: (() => Promise<unknown>)[] = [
    () =>
      networks.create(op, {
        name: `n${next++ % 12}`,
        driver: 'bridge',
        internal: random() < 0.2,
        attachable: false,
        ipv4: true,
        ipv6: random() < 0.4,
        subnets: [],
        options: {},
        labels: {},
      }),
    async () => {
      const network = pick(networks.list().filter((n) => n.userDefined))
      if (network) await networks.remove(op, network.id)
    },
    () => joinSome(),
    () => joinSome(),
    async () => {
      const id = pick([...live])
      const network = pick(networks.list().filter((n) => n.driver === 'bridge'))
      if (id && network) await networks.connect(op, id, { network: network.id, names: [id.slice(0, 12)] })
    },
    async () => {
      const id = pick([...live])
      const endpoint = id === undefined ? undefined : pick(networks.sandbox(id)?.endpoints ?? [])
      if (id && endpoint) await networks.disconnect(op, id, endpoint.networkId)
    },
    async () => {
      const id = pick([...live])
      if (!id) return
      live.delete(id)
      await networks.leave(op, id)
    },
  ]
  async function joinSome(): Promise<void> {
    const chosen = networks.list().filter((n) => n.driver === 'bridge' && random() < 0.25)
    const id = newId()
    await networks.join(op, {
      id,
      owner: `c${next++}`,
      networks: chosen.map((n) => ({ network: n.id, names: [`c${next}`] })),
      ports: random() < 0.5 ? [{ containerPort: 80, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 0 }] : [],
    })
    live.add(id)
  }

  for (let done = 0; done < count; done += 3) {
    // A container is changed by one operation at a time: its lock sees to that in the daemon.
    const kinds = [pick(operations.slice(0, 2)), pick(operations.slice(2, 4)), pick(operations.slice(4))]
    const results = await Promise.allSettled(kinds.map(async (operation) => operation?.()))
    for (const result of results)
      if (result.status === 'rejected')
        assert.ok(
          result.reason instanceof EngineError && result.reason.kind !== 'internal',
          result.reason instanceof Error ? String(result.reason.stack) : String(result.reason),
        )
    if (random() < 0.05) {
      await networks.close(op)
      networks = await open()
      for (const id of live) if (random() < 0.3) live.delete(id)
      await networks.reconcile(op, live)
      for (const id of live) check(networks, id)
    }
  }

  for (const id of live) check(networks, id)
  for (const id of live) await networks.leave(op, id)
  for (const network of networks.list()) if (network.userDefined) await networks.remove(op, network.id)
  assert.deepEqual(readdirSync(join(folder, 'netns')), [])
  assert.deepEqual(elements(await query(op, ['list', 'table', 'inet', `gantry_${instance}`])), before)
  const first = await networks.join(op, {
    id: newId(),
    owner: 'last',
    networks: [{ network: 'bridge' }],
    ports: [],
  })
  assert.match(first.endpoint?.ip ?? '', /\.2$/, 'every address was given back')
  await networks.leave(op, first.id)
  await networks.close(op)
  store.close()
  rmSync(folder, { recursive: true, force: true })
  using socket = new NetlinkSocket()
  const ours = () =>
    listLinks(socket).filter((l) => l.alias === `gantry ${instance}` || l.name === `gr${process.pid}`)
  assert.deepEqual(ours(), [])
  assert.equal(await query(op, ['list', 'table', 'inet', `gantry_${instance}`]), undefined)
})

/** A sandbox has in the kernel what its record says. */
function check(networks: Networks, id: string): void {
  const sandbox = networks.sandbox(id)
  assert.ok(sandbox)
  const seen = inNetns(sandbox.netnsPath, () => {
    using socket = new NetlinkSocket()
    return {
      links: listLinks(socket).map((l) => l.name),
      addresses: listAddresses(socket).map((a) => a.address),
    }
  })
  assert.deepEqual(seen.links.toSorted(), ['lo', ...sandbox.endpoints.map((e) => e.interface)].toSorted())
  for (const { ip, ip6 } of sandbox.endpoints)
    for (const address of [ip, ip6]) assert.ok(address === '' || seen.addresses.includes(address), address)
}

function elements(listing: unknown): string[] {
  const { nftables } = listing as { nftables: Record<string, { name?: string; elem?: unknown }>[] }
  return nftables.flatMap((entry) =>
    [entry['set'], entry['map']].flatMap((set) =>
      set?.elem ? [`${set.name} ${JSON.stringify(set.elem)}`] : [],
    ),
  )
}
