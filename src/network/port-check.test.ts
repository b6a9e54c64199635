import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPort, type CheckInput } from './port-check.ts'
import { decodeRuleset } from './ruleset.ts'

const table = (
  family: string,
  chains: Record<string, { hook?: string; policy?: string; rules?: object[][] }>,
) =>
  Object.entries(chains).flatMap(([name, { rules = [], ...rest }]) => [
    { chain: { family, table: 'filter', name, type: 'filter', ...rest } },
    ...rules.map((expr, i) => ({ rule: { family, table: 'filter', chain: name, handle: i + 1, expr } })),
  ])
const ruleset = (...parts: object[][]) => decodeRuleset({ nftables: parts.flat() }, 'gantry_x')
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } })
const meta = (key: string) => ({ meta: { key } })
const dport = { payload: { protocol: 'tcp', field: 'dport' } }
const accept = { accept: null }
const drop = { drop: null }

const check = (o: Partial<CheckInput> & { hostIp?: string }) => {
  const { hostIp = '0.0.0.0', ...rest } = o
  const port = { proto: 'tcp', hostIp, hostPort: 8080, containerIp: '172.18.0.2', containerPort: 80 } as const
  const seen = checkPort({
    port,
    redirected: true,
    bridge: 'br0',
    uplink: undefined,
    legacy: false,
    listening: true,
    ruleset: ruleset(),
    ...rest,
  })
  const text = (r: { reach: string; because?: string }) =>
    r.reach + (r.because === undefined ? '' : `: ${r.because}`)
  return [seen.loopback, seen.thisHost, seen.otherHosts].map(text)
}

test('where a port is bound decides first', () => {
  assert.deepEqual(check({}), ['yes', 'yes', 'yes'])
  const alone = 'no: published on the loopback address alone'
  assert.deepEqual(check({ hostIp: '127.0.0.1' }), ['yes', alone, alone])
  assert.deepEqual(check({ hostIp: '10.0.0.1' }), ['no: published on 10.0.0.1 alone', 'yes', 'yes'])
  const nobody = 'no: nothing in the container listens on 80/tcp'
  assert.match(check({ legacy: true })[2] ?? '', /maybe: depends on rules of iptables-legacy/)
  assert.deepEqual(check({ listening: false }), [nobody, nobody, nobody])
})

test('a FORWARD that drops is in the way of others, unless a rule lets our bridge pass', () => {
  const forward = (rules: object[][]) =>
    ruleset(
      table('ip', {
        FORWARD: { hook: 'forward', policy: 'drop', rules: [[{ jump: { target: 'USER' } }]] },
        USER: { rules },
      }),
    )
  assert.deepEqual(check({ ruleset: forward([]) }), [
    'yes',
    'yes',
    'no: dropped by ip filter FORWARD (policy drop)',
  ])
  assert.equal(check({ ruleset: forward([[match(meta('oifname'), 'br0'), accept]]) })[2], 'yes')
  assert.match(check({ ruleset: forward([[match(meta('oifname'), 'br1'), accept]]) })[2] ?? '', /^no/)
  assert.match(
    check({ ruleset: forward([[{ xt: {} }, accept]]) })[2] ?? '',
    /^maybe: depends on ip filter FORWARD/,
  )
  // Relayed: what the host forwards is not asked, what it takes in is.
  assert.deepEqual(check({ ruleset: forward([]), redirected: false }), ['yes', 'yes', 'yes'])
})

test('input rules judge relayed ports alone', () => {
  const input = ruleset(
    table('inet', {
      input: {
        hook: 'input',
        policy: 'drop',
        rules: [
          [match(meta('iifname'), 'lo'), accept],
          [match({ ct: { key: 'state' } }, ['established', 'related']), accept],
          [match(dport, { set: [22, { range: [9000, 9100] }] }), accept],
        ],
      },
    }),
  )
  assert.deepEqual(check({ ruleset: input }), ['yes', 'yes', 'yes'])
  assert.deepEqual(check({ ruleset: input, redirected: false }), [
    'yes',
    'yes',
    'no: dropped by inet filter input (policy drop)',
  ])
})

test('rules are read as they stand: ports, addresses, families, returns, our own table left out', () => {
  const forward = (...rules: object[][]) => ruleset(table('inet', { f: { hook: 'forward', rules } }))
  const daddr = (len: number) =>
    match({ payload: { protocol: 'ip', field: 'daddr' } }, { prefix: { addr: '172.18.0.0', len } })
  assert.match(check({ ruleset: forward([match(dport, 80), daddr(16), drop]) })[2] ?? '', /rule 1/)
  assert.equal(check({ ruleset: forward([match(dport, 8080), drop]) })[2], 'yes')
  assert.equal(check({ ruleset: forward([match(dport, 80, '!='), drop]) })[2], 'yes')
  assert.equal(check({ ruleset: forward([daddr(16), { return: null }], [drop]) })[2], 'yes')
  assert.match(check({ ruleset: forward([match(meta('iifname'), 'eth0'), drop]) })[2] ?? '', /^maybe/)
  assert.equal(
    check({ ruleset: ruleset(table('ip6', { f: { hook: 'forward', policy: 'drop' } })) })[2],
    'yes',
  )
  const wired = forward([match(meta('iifname'), 'eth0'), drop])
  assert.match(check({ ruleset: wired, uplink: 'eth0' })[2] ?? '', /^no/)
  assert.equal(check({ ruleset: wired, uplink: 'eth1' })[2], 'yes')
  const named = (elem: string[]) =>
    ruleset([
      { set: { family: 'inet', table: 'filter', name: 'theirs', elem } },
      ...table('inet', { f: { hook: 'forward', rules: [[match(meta('iifname'), '@theirs'), drop]] } }),
      ...table('ip', { f: { hook: 'forward', rules: [[match(meta('oifname'), '@theirs'), drop]] } }),
    ])
  assert.match(
    check({ ruleset: named([]) })[2] ?? '',
    /maybe: depends on ip filter f/,
    'a set that it does not know',
  )
  assert.match(check({ ruleset: named(['br9']) })[2] ?? '', /maybe: depends on inet filter f/)
  const own = {
    chain: { family: 'inet', table: 'gantry_x', name: 'f', type: 'filter', hook: 'forward', policy: 'drop' },
  }
  assert.equal(check({ ruleset: ruleset([own]) })[2], 'yes')
})
