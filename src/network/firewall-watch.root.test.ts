import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs a module in a network namespace of its own, with a firewall that is watched there. */
async function elsewhere(code: string): Promise<unknown> {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const module = `
    import { DockerUser } from ${url('./docker-user.ts')}
    import { Firewall } from ${url('./firewall.ts')}
    import { FirewallWatch } from ${url('./firewall-watch.ts')}
    import { background } from ${url('../lib/op.ts')}
    import { silentLogger } from ${url('../lib/log.ts')}
    import { execFileSync } from 'node:child_process'
    import { setTimeout as sleep } from 'node:timers/promises'
    const op = background(silentLogger)
    const nft = (script) => execFileSync('nft', ['-f', '-'], { input: script, encoding: 'utf8' })
    const list = (...what) => execFileSync('nft', ['list', ...what], { encoding: 'utf8' })
    const firewall = new Firewall('x')
    const dockerUser = new DockerUser('x')
    let repairs = 0
    const watch = new FirewallWatch(firewall.table, { ...silentLogger, warn: (text, more) => console.error(text, more) }, {
      onOwn: async (drained) => { if (await firewall.repair(op, { drained })) repairs++ },
      pace: 100,
      onDockerUser: () => dockerUser.allow(op, ['br-a']),
    })
    watch.start()
    await firewall.install(op, { networks: [], ports: [] })
    const network = { bridge: 'br-a', subnets: ['172.30.0.0/16'], masquerade: true, icc: true, internal: false }
    const port = { proto: 'tcp', hostIp: '0.0.0.0', hostPort: 80, containerIp: '172.30.0.2', containerPort: 8080 }
    /** Milliseconds until it is so. */
    const until = async (what) => {
      const start = performance.now()
      while (!what()) {
        if (performance.now() - start > 5000) throw new Error('not within 5 s: ' + what)
        await sleep(20)
      }
      return Math.round(performance.now() - start)
    }
    // The thread has begun to listen.
    await until(() => { nft('add element inet gantry_x internal { "z" }\\ndelete element inet gantry_x internal { "z" }'); return repairs > 0 })
    await sleep(300)
    repairs = 0
    ${code}
    await watch.close()
    await firewall.close()`
  const args = ['-n', process.execPath, '-e', module]
  return JSON.parse((await execute('unshare', args)).stdout)
}

test('a table that others remove, empty, add to or replace is back within two seconds; foreign ones are left alone', async () => {
  const seen = await elsewhere(`
    firewall.addNetwork(network)
    firewall.publish([port])
    nft('table ip theirs { \\nchain c { \\ntcp dport 22 accept\\n }\\n }')
    const [whole, theirs] = [list('table', 'inet', 'gantry_x'), list('table', 'ip', 'theirs')]
    const harm = {
      flush: 'flush ruleset',
      rules: 'flush table inet gantry_x',
      set: 'flush set inet gantry_x bridges',
      element: 'delete element inet gantry_x any4 { tcp . 80 }',
      added: 'insert rule inet gantry_x forward accept',
      replaced: 'delete table inet gantry_x\\nadd table inet gantry_x',
    }
    const times = {}
    for (const [name, script] of Object.entries(harm)) {
      nft(script)
      times[name] = await until(() => {
        try { return list('table', 'inet', 'gantry_x') === whole } catch { return false }
      })
      await sleep(200)
    }
    const after = { repairs }
    // What is our own is no reason.
    for (let i = 0; i < 20; i++) {
      firewall.withdraw([port])
      firewall.publish([port])
    }
    nft(theirs)
    await sleep(300)
    const idle = repairs - after.repairs
    const kept = list('table', 'ip', 'theirs') === theirs
    console.log(JSON.stringify({ times, repairs: after.repairs, idle, kept }))`)
  const { times, repairs, idle, kept } = seen as {
    times: Record<string, number>
    repairs: number
    idle: number
    kept: boolean
  }
  assert.ok(
    Object.values(times).every((ms) => ms < 2000),
    JSON.stringify(times),
  )
  assert.equal(repairs, Object.keys(times).length, 'one repair for each harm')
  assert.equal(idle, 0)
  assert.ok(kept)
})

test('a dockerd that starts later: its chain gets our accepts at once, once, behind the admin’s', async () => {
  const seen = await elsewhere(`
    const rules = (family) => list('chain', family, 'filter', 'DOCKER-USER').split('\\n').slice(2, -3).map((l) => l.trim().replace(/counter packets \\d+ bytes \\d+ ?/, ''))
    const chains = (family, policy) => 'table ' + family + ' filter {\\n chain FORWARD {\\n type filter hook forward priority filter; policy ' + policy + ';\\n }\\n chain DOCKER-USER {\\n counter return\\n }\\n}\\n'
    nft(chains('ip', 'accept') + chains('ip6', 'accept'))
    await until(() => ['ip', 'ip6'].every((f) => rules(f).length === 3))
    const first = rules('ip')
    // dockerd's own start: the policy, then its chain made anew.
    nft('chain ip filter FORWARD { policy drop; }\\nflush chain ip filter DOCKER-USER\\nadd rule ip filter DOCKER-USER counter return')
    await until(() => rules('ip').length === 3)
    nft('add rule ip filter DOCKER-USER ip saddr 10.9.9.9 drop')
    await sleep(300)
    nft('insert rule ip filter DOCKER-USER ip saddr 10.9.9.8 drop')
    await sleep(300)
    const second = rules('ip')
    // Two daemons leave each other's rules where they are.
    const peer = new DockerUser('y')
    await peer.allow(op, ['br-b'])
    await sleep(300)
    const both = list('chain', 'ip', 'filter', 'DOCKER-USER').match(/gantry_./g).join()
    await peer.withdraw(op)
    await dockerUser.withdraw(op)
    console.log(JSON.stringify({ first, second, both, left: rules('ip'), six: rules('ip6') }))`)
  const accepts = ['iifname', 'oifname'].map((side) => `${side} "br-a" accept comment "gantry_x"`)
  const { first, second, both, left, six } = seen as Record<string, string[]>
  assert.deepEqual(first, [...accepts, 'return'])
  assert.deepEqual(second, ['ip saddr 10.9.9.8 drop', 'return', 'ip saddr 10.9.9.9 drop', ...accepts])
  assert.equal(both, 'gantry_x,gantry_x,gantry_y,gantry_y')
  assert.deepEqual(left, ['ip saddr 10.9.9.8 drop', 'return', 'ip saddr 10.9.9.9 drop'])
  assert.deepEqual(six, ['return'])
})
