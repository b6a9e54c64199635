import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fakeUpstream, record } from '../../src/network/dns/testing.ts'
import { eventually, system } from './harness.ts'

const sleeper = ['busybox', 'sleep', '600']

suite('names of containers', () => {
  const s = system()
  const start = (name: string, ...flags: string[]) => s.ok('run', '-d', '--name', name, ...flags, ...sleeper)
  const addressOf = (name: string, network: string) =>
    s.ok('inspect', '-f', `{{.NetworkSettings.Networks.${network}.IPAddress}}`, name)
  /** What a container's own resolver says: addresses and names, or why there is none. */
  async function lookup(from: string, name: string, type = 'a', ...server: string[]): Promise<string[]> {
    const { stdout } = await s.run(['exec', from, 'nslookup', `-type=${type}`, name, ...server])
    const answer = stdout.replace(/^Server:.*\nAddress:.*\n/, '')
    return [...answer.matchAll(/^Address: (\S+)|name = (\S+)|: (NXDOMAIN|SERVFAIL|REFUSED)$/gm)].map(
      ([, address, target, failure]) => address ?? target ?? failure ?? '',
    )
  }

  test('names, aliases, short ids and reverse names, while containers and daemons come and go', async () => {
    await s.ok('network', 'create', 'front')
    await start('asker', '--network', 'front')
    const id = await start('web1', '--network', 'front', '--network-alias', 'web')
    await start('web2', '--network', 'front', '--network-alias', 'web')
    const one = await addressOf('web1', 'front')
    const two = await addressOf('web2', 'front')
    for (const name of ['web1', 'WEB1.', 'web1.front', id.slice(0, 12)])
      assert.deepEqual(await lookup('asker', name), [one], name)
    const turns = [await lookup('asker', 'web'), await lookup('asker', 'web')]
    assert.deepEqual(
      turns.map((turn) => turn.toSorted()),
      [[one, two].toSorted(), [one, two].toSorted()],
    )
    assert.notDeepEqual(turns[0], turns[1])
    assert.deepEqual(await lookup('asker', 'web1', 'aaaa'), [])
    const reverse = `${one.split('.').toReversed().join('.')}.in-addr.arpa`
    assert.deepEqual(await lookup('asker', reverse, 'ptr'), ['web1.front'])
    await s.ok('stop', '-t', '0', 'web1')
    assert.deepEqual(await lookup('asker', 'web'), [two])
    await s.ok('start', 'web1')
    assert.equal((await lookup('asker', 'web')).length, 2)
    await s.ok('rename', 'web2', 'site')
    assert.deepEqual(await lookup('asker', 'site'), [two])
    const again = await addressOf('web1', 'front')
    // The next daemon answers on the same sockets of the containers.
    await s.daemon.killHard()
    await s.daemon.start()
    await eventually(async () => assert.deepEqual(await lookup('asker', 'web1'), [again]), 5000)
    await start('late', '--network', 'front')
    assert.deepEqual(await lookup('asker', 'late'), [await addressOf('late', 'front')])
    assert.deepEqual(await lookup('late', 'asker.front'), [await addressOf('asker', 'front')])
  })

  test('networks part names; internal ones have no world; a container may serve DNS itself', async () => {
    await s.ok('network', 'create', 'front')
    await s.ok('network', 'create', '--internal', 'back')
    await start('db', '--network', 'back')
    await start('asker', '--network', 'back')
    assert.deepEqual(await lookup('asker', 'db'), [await addressOf('db', 'back')])
    assert.deepEqual(await lookup('asker', 'example.org'), ['SERVFAIL'])
    await start('web', '--network', 'front')
    await s.ok('network', 'connect', '--alias', 'shop', 'back', 'web')
    assert.deepEqual(await lookup('asker', 'shop'), [await addressOf('web', 'back')])
    await s.ok('network', 'disconnect', 'back', 'web')
    assert.deepEqual(await lookup('asker', 'shop'), ['SERVFAIL'])
    await s.ok('exec', '-d', 'asker', 'nc', '-u', '-l', '-p', '53')
    assert.deepEqual(await lookup('asker', 'db'), [await addressOf('db', 'back')])
    await s.ok('network', 'disconnect', 'back', 'asker')
    // A program that read resolv.conf before still asks there.
    assert.deepEqual(await lookup('asker', 'db', 'a', '127.0.0.11'), ['SERVFAIL'])
  })

  test('--dns, --dns-search, --dns-option; of two upstream servers one may be dead', async () => {
    await s.ok('network', 'create', '--subnet', '10.201.53.0/24', 'front')
    await start('place', '--network', 'front')
    const { State } = await s.inspect<{ State: { Pid: number } }>('place')
    const live = await addressOf('place', 'front')
    await using upstream = await fakeUpstream(
      (query) => ({ answers: [record(query.questions?.[0]?.name ?? '', '192.0.2.1')] }),
      { netns: `/proc/${State.Pid}/ns/net`, ip: live, port: 53 },
    )
    const dns = [
      '--dns',
      '10.201.53.250',
      '--dns',
      live,
      '--dns-search',
      'corp.example',
      '--dns-option',
      'timeout:7',
    ]
    await start('asker', '--network', 'front', ...dns)
    const file = await s.ok('exec', 'asker', 'cat', '/etc/resolv.conf')
    assert.match(file, /^nameserver 127.0.0.11\nsearch corp.example\noptions timeout:7 ndots:0$/m)
    assert.match(file, new RegExp(`^# ExtServers: \\[10.201.53.250 ${live}\\]$`, 'm'))
    const script =
      'for i in $(seq 200); do nslookup -type=a n$i.example.org | grep -q 192.0.2.1 || echo $i; done'
    const started = performance.now()
    assert.equal(await s.ok('exec', 'asker', 'sh', '-c', script), '')
    const took = performance.now() - started
    assert.ok(took < 5000, `200 look-ups took ${Math.round(took)} ms`)
    assert.equal(upstream.asked.length, 200)
  })

  test('on the default bridge there are no names', async () => {
    await start('web')
    const file = await s.ok('run', '--rm', '--dns', '127.0.0.1', 'busybox', 'cat', '/etc/resolv.conf')
    assert.match(file, /^nameserver 127.0.0.1$/m)
    await s.fails(1, /./, 'run', '--rm', '--dns', '127.0.0.1', 'busybox', 'nslookup', 'web')
  })
})
