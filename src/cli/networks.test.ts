import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consolidateSubnets } from './commands/network-subnets.ts'
import { networking, type NetworkFlags } from './run-networks.ts'

const consolidate = (o: Partial<Parameters<typeof consolidateSubnets>[0]>) =>
  consolidateSubnets({ subnets: [], ranges: [], gateways: [], aux: {}, ...o })

test('ranges, gateways and auxiliary addresses find their subnet', () => {
  assert.deepEqual(
    consolidate({
      subnets: ['10.1.0.0/16', 'fd00::/64'],
      ranges: ['10.1.4.0/24'],
      gateways: ['fd00::1', '10.1.0.9'],
      aux: { a: '10.1.0.2', b: '10.1.0.3' },
    }),
    [
      {
        Subnet: '10.1.0.0/16',
        IPRange: '10.1.4.0/24',
        Gateway: '10.1.0.9',
        AuxiliaryAddresses: { a: '10.1.0.2', b: '10.1.0.3' },
      },
      { Subnet: 'fd00::/64', Gateway: 'fd00::1' },
    ],
  )
  assert.throws(() => consolidate({ gateways: ['10.1.0.1'] }), /must have a corresponding subnet/)
  const subnets = ['10.1.0.0/16', '10.2.0.0/16']
  assert.throws(
    () => consolidate({ subnets, gateways: ['10.3.0.1'] }),
    /no matching subnet for gateway 10\.3\.0\.1/,
  )
  assert.throws(() => consolidate({ subnets, ranges: ['10.3.0.0/24'] }), /no matching subnet for range/)
  assert.throws(() => consolidate({ subnets, aux: { a: '10.3.0.1' } }), /no matching subnet for aux-address/)
  assert.throws(() => consolidate({ subnets, gateways: ['10.1.0.1', '10.1.0.2'] }), /multiple gateways/)
  assert.throws(() => consolidate({ subnets: ['10.0.0.0/8', '10.2.0.0/16'] }), /overlapping/)
  assert.throws(() => consolidate({ subnets: ['ten', '10.0.0.0/8'] }), /invalid CIDR address: ten/)
})

const run = (o: Partial<NetworkFlags>) =>
  networking({
    network: [],
    net: [],
    'network-alias': [],
    'net-alias': [],
    link: [],
    ip: '',
    ip6: '',
    'link-local-ip': [],
    'mac-address': '',
    ...o,
  })

test('--network and its companions', () => {
  assert.deepEqual(run({}), { mode: '', endpoints: {} })
  assert.deepEqual(run({ network: ['a'] }), { mode: 'a', endpoints: {} })
  assert.deepEqual(run({ network: ['a'], link: ['db:database'] }).endpoints, {
    a: { Links: ['db:database'] },
  })
  assert.deepEqual(run({ 'mac-address': '02:42:00:00:00:01' }).endpoints, {
    default: { MacAddress: '02:42:00:00:00:01' },
  })
  assert.deepEqual(
    run({ network: ['a', 'name=b,alias=x,ip=1.2.3.4,gw-priority=-3,driver-opt=k=v'], ip: '5.6.7.8' }),
    {
      mode: 'a',
      endpoints: {
        a: { IPAMConfig: { IPv4Address: '5.6.7.8' } },
        b: { Aliases: ['x'], IPAMConfig: { IPv4Address: '1.2.3.4' }, GwPriority: -3, DriverOpts: { k: 'v' } },
      },
    },
  )
  assert.throws(() => run({ network: ['a', 'a'] }), /network "a" is specified multiple times/)
  assert.throws(() => run({ network: ['a', 'host'] }), /both user-defined and non-user-defined/)
  assert.throws(() => run({ network: ['name=a,ip=1.2.3.4'], ip: '1.2.3.5' }), /both --ip and per-network/)
  assert.throws(() => run({ network: ['name=a,alias=x'], 'network-alias': ['y'] }), /both --network-alias/)
  assert.throws(() => run({ network: ['alias=x'] }), /network name\/id is not specified/)
  assert.throws(() => run({ network: ['name=a,wat=x'] }), /invalid field key wat/)
  assert.throws(() => run({ network: ['name=a,gw-priority=x'] }), /must be an integer/)
})
