import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs a module in a network namespace of its own. */
async function elsewhere(code: string): Promise<unknown> {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const module = `
    import { Firewall } from ${url('./firewall.ts')}
    import { apply } from ${url('../host/nft.ts')}
    import { background } from ${url('../lib/op.ts')}
    import { silentLogger } from ${url('../lib/log.ts')}
    import { execFileSync } from 'node:child_process'
    const op = background(silentLogger)
    const list = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' })
    ${code}`
  const args = ['-n', process.execPath, '--input-type=module', '-e', module]
  return JSON.parse((await execute('unshare', args)).stdout)
}

test('networks and ports that come one by one make the table that install() makes', async () => {
  const seen = await elsewhere(`
    const network = { bridge: 'br-a', subnets: ['172.30.0.0/16', 'fd00:a::/64'], masquerade: true, icc: true, internal: false }
    const next = { ...network, bridge: 'br-b', subnets: ['172.31.0.0/16'] }
    const inner = { ...network, bridge: 'br-c', subnets: ['172.29.0.0/24', 'fd00:c::/64'], icc: false, internal: true }
    const port = { proto: 'tcp', hostIp: '0.0.0.0', hostPort: 80, containerIp: '172.30.0.2', containerPort: 8080 }
    const ports = [port, { ...port, hostIp: '10.0.0.1' }, { ...port, hostIp: '::', containerIp: 'fd00:a::2' },
      { ...port, proto: 'udp', hostIp: '::1', containerIp: 'fd00:a::2' }, { ...port, hostIp: '::', hostPort: 81 }]
    const sorted = (text) => text.split('\\n').flatMap((l) => l.split(/[{},]/)).map((l) => l.trim()).sort().join('\\n')
    const firewall = new Firewall('x')
    const lost = [firewall.addNetwork(network), firewall.publish(ports)]
    await firewall.install(op, { networks: [], ports: [] })
    const empty = list()
    for (const n of [network, next, inner, next]) firewall.addNetwork(n)
    firewall.publish(ports)
    firewall.publish(ports)
    const added = list()
    for (const n of [network, next, inner, next]) firewall.removeNetwork(n)
    firewall.withdraw(ports)
    firewall.withdraw(ports)
    const removed = list()
    await firewall.install(op, { networks: [network, next, inner], ports })
    const whole = list()
    await firewall.remove(op)
    console.log(JSON.stringify({ lost, same: sorted(added) === sorted(whole), added, whole, clean: empty === removed, left: list() }))`)
  const { lost, same, clean, left, added, whole } = seen as Record<string, unknown>
  assert.deepEqual(lost, [false, false])
  assert.ok(same, JSON.stringify({ added, whole }, undefined, 2))
  assert.ok(clean)
  assert.equal(left, '')
})
