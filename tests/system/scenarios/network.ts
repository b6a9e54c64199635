import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { type ClientName, command, eventually, freePort, missing, system } from '../harness.ts'

/** A TCP port of the host that nobody has right now. */
async function must(...argv: string[]): Promise<string> {
  const result = await command(argv)
  assert.equal(result.code, 0, `${argv.join(' ')}: ${result.stderr}`)
  return result.stdout
}

/** Serves `hi` to everybody who connects to 8080. */
const server = ['busybox', 'sh', '-c', 'mkdir /w; echo hi > /w/index.html; exec httpd -f -p 8080 -h /w']
/** A page by its address. (Debian's static busybox wget crashes when it is given a timeout.) */
export const get = (address: string) => [
  process.execPath,
  '-e',
  `require('node:http').get('http://${address}/', { timeout: 2000 }, (r) => r.pipe(process.stdout)).on('timeout', () => process.exit(1))`,
]

/** Sends a datagram to a port of this machine and waits for one back. */
async function ask(port: number, text: string): Promise<string> {
  const socket = createSocket('udp4')
  try {
    const reply = once(socket, 'message', { signal: AbortSignal.timeout(1000) })
    socket.send(text, port, '127.0.0.1')
    const [data] = (await reply) as [Buffer]
    return data.toString()
  } finally {
    socket.close()
  }
}

export function networkScenarios(client: ClientName): void {
  suite(`network, through ${client}`, { skip: missing(client, { docker: 28 }) }, () => {
    const s = system(client)
    const { tag } = s.daemon
    const n = 1 + (Number.parseInt(tag, 16) % 250)
    /** Another machine, as far as this one can tell: a namespace on a link of its own. */
    const far = { namespace: `gto${tag}`, host: `198.18.${n}.1`, address: `198.18.${n}.2` }
    const fromFar = (...argv: string[]) => command(['ip', 'netns', 'exec', far.namespace, ...argv])

    before(async () => {
      await must('ip', 'netns', 'add', far.namespace)
      await must(
        'ip',
        'link',
        'add',
        `gto${tag}`,
        'type',
        'veth',
        'peer',
        'name',
        'far0',
        'netns',
        far.namespace,
      )
      await must('ip', 'addr', 'add', `${far.host}/30`, 'dev', `gto${tag}`)
      await must('ip', 'link', 'set', `gto${tag}`, 'up')
      for (const line of [
        `addr add ${far.address}/30 dev far0`,
        'link set far0 up',
        'link set lo up',
        `route add default via ${far.host}`,
      ])
        await must('ip', '-n', far.namespace, ...line.split(' '))
    })
    after(async () => {
      await must('ip', 'netns', 'del', far.namespace)
      await command(['ip', 'link', 'del', `gto${tag}`])
    })

    const serves = (argv: string[], run = command) =>
      eventually(async () => assert.equal((await run(argv)).stdout, 'hi\n'), 5000)

    test('-p reaches the container from loopback, from the host’s address and from another machine', async () => {
      const port = await freePort()
      await s.ok('run', '-d', '--name', 'web', '-p', `${port}:8080`, ...server)
      await serves(get(`127.0.0.1:${port}`))
      await serves(get(`${far.host}:${port}`))
      await serves(get(`${far.host}:${port}`), (argv) => fromFar(...argv))
      assert.match(await s.ok('port', 'web'), new RegExp(`^8080/tcp -> 0\\.0\\.0\\.0:${port}$`, 'm'))
      assert.match(await s.ok('ps', '--format', '{{.Ports}}'), new RegExp(`0\\.0\\.0\\.0:${port}->8080/tcp`))
      await s.ok('stop', '-t', '0', 'web')
      assert.notEqual((await command(get(`127.0.0.1:${port}`))).code, 0)
      await s.ok('start', 'web')
      await serves(get(`127.0.0.1:${port}`))
    })

    test('-p 127.0.0.1:… is for this machine alone', async () => {
      const port = await freePort()
      await s.ok('run', '-d', '-p', `127.0.0.1:${port}:8080`, ...server)
      await serves(get(`127.0.0.1:${port}`))
      assert.notEqual((await fromFar(...get(`${far.host}:${port}`))).code, 0)
    })

    test('-p with the container’s port alone takes a free one; -P publishes what is exposed', async () => {
      await s.ok('run', '-d', '--name', 'free', '-p', '8080', ...server)
      const port = /:(\d+)$/m.exec(await s.ok('port', 'free', '8080'))?.[1]
      await serves(get(`127.0.0.1:${port}`))
      await s.ok('run', '-d', '--name', 'all', '--expose', '8080', '-P', ...server)
      const other = /:(\d+)$/m.exec(await s.ok('port', 'all', '8080/tcp'))?.[1]
      await serves(get(`127.0.0.1:${other}`))
      assert.notEqual(port, other)
    })

    test('a range of host ports gives each container the first that is free; IPv6 clients are served alike', async () => {
      const port = await freePort()
      const range = `${port}-${port + 20}:8080`
      const ports: string[] = []
      for (const name of ['one', 'two']) {
        await s.ok('run', '-d', '--name', name, '-p', range, ...server)
        const lines = (await s.ok('port', name)).trim().split('\n').toSorted()
        const [four = '', six = ''] = lines
        ports.push(four.replace(/^8080\/tcp -> 0\.0\.0\.0:/, ''))
        assert.equal(six, `8080/tcp -> [::]:${ports.at(-1)}`, 'one number for both families')
      }
      assert.equal(new Set(ports).size, 2)
      assert.ok(ports.every((text) => Number(text) >= port && Number(text) <= port + 20))
      for (const text of ports)
        for (const host of ['127.0.0.1', '[::1]']) await serves(get(`${host}:${text}`))
      await s.ok('run', '-d', '--name', 'six', '-p', '[::1]::8080', ...server)
      const [, only] = /^\[::1\]:(\d+)$/.exec(await s.ok('port', 'six', '8080')) ?? []
      await serves(get(`[::1]:${only}`))
      assert.notEqual((await command(get(`127.0.0.1:${only}`))).code, 0)
    })

    test('UDP', async () => {
      const port = await freePort()
      // busybox has no UDP server: the host's Node, in the host's root, in the container's network.
      const echo = `const s = require('node:dgram').createSocket('udp4').on('message', (m, from) => s.send('got ' + m, from.port, from.address)).bind(9000)`
      const node = ['chroot', '/host', process.execPath, '-e', echo]
      await s.ok('run', '-d', '-p', `${port}:9000/udp`, '-v', '/:/host:ro', 'busybox', ...node)
      await eventually(async () => assert.equal(await ask(port, 'ping\n'), 'got ping\n'))
    })

    test('a port in use names its holder: a container, a process', async () => {
      const port = await freePort()
      await s.ok('run', '-d', '--name', 'holder', '-p', `${port}:8080`, ...server)
      const refused = await s.run(['run', '--name', 'second', '-p', `${port}:80`, 'busybox', 'true'])
      assert.equal(refused.code, 125)
      assert.match(
        refused.stderr,
        new RegExp(`Bind for 0\\.0\\.0\\.0:${port} failed: port is already allocated`),
      )
      assert.match(refused.stderr, /holder/)
      await s.ok('rm', '-f', 'holder')
      const taken = createServer()
      await new Promise<void>((resolve) => taken.listen(port, '0.0.0.0', resolve))
      try {
        const again = await s.run(['run', '--rm', '-p', `${port}:80`, 'busybox', 'true'])
        assert.equal(again.code, 125)
        assert.match(again.stderr, new RegExp(`pid ${process.pid}`))
      } finally {
        await new Promise<void>((resolve) => taken.close(() => resolve()))
      }
      // Nothing is half-made: the port is free for the next.
      await s.ok('run', '-d', '-p', `${port}:8080`, ...server)
      await serves(get(`127.0.0.1:${port}`))
    })

    test('EXPOSE alone opens nothing', async () => {
      await s.ok('run', '-d', '--name', 'shut', '--expose', '8080', ...server)
      assert.equal(await s.ok('port', 'shut'), '')
    })

    test('containers reach each other by address, and the outside by NAT', async () => {
      await s.ok('run', '-d', '--name', 'aa', ...server)
      const address = await s.ok(
        'inspect',
        '--format',
        '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
        'aa',
      )
      const wget = (to: string) => s.run(['run', '--rm', 'busybox', 'wget', '-q', '-O', '-', `http://${to}/`])
      await eventually(async () => assert.equal((await wget(`${address}:8080`)).stdout, 'hi\n'))
      // The other machine knows no way to the container's address: only NAT lets it answer.
      await must('ip', '-n', far.namespace, 'route', 'del', 'default')
      const answer = `require('node:net').createServer((s) => s.end('from afar\\n')).listen(7000)`
      const outside = fromFar('timeout', '5', process.execPath, '-e', answer)
      await eventually(async () => {
        const nc = `nc -w 3 ${far.address} 7000 </dev/null`
        const result = await s.run(['run', '--rm', 'busybox', 'sh', '-c', nc])
        assert.equal(result.stdout, 'from afar\n')
      }, 4000)
      await outside
      await must('ip', '-n', far.namespace, 'route', 'add', 'default', 'via', far.host)
    })

    test('from outside only what is published can be reached', async () => {
      await s.ok('run', '-d', '--name', 'inner', ...server)
      const address = await s.ok(
        'inspect',
        '--format',
        '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
        'inner',
      )
      await serves(get(`${address}:8080`))
      assert.notEqual((await fromFar(...get(`${address}:8080`))).code, 0)
    })

    test('--network host uses the host’s ports', async () => {
      const port = await freePort()
      await s.ok(
        'run',
        '-d',
        '--network',
        'host',
        'busybox',
        'sh',
        '-c',
        `mkdir /w; echo hi > /w/index.html; exec httpd -f -p ${port} -h /w`,
      )
      await serves(get(`127.0.0.1:${port}`))
    })

    test('/etc/hosts, /etc/hostname and /etc/resolv.conf are the container’s', async () => {
      const out = await s.ok(
        'run',
        '--rm',
        '--hostname',
        'me',
        'busybox',
        'sh',
        '-c',
        'cat /etc/hostname; grep me /etc/hosts; hostname -i; grep -c nameserver /etc/resolv.conf',
      )
      const [name, entry, address, servers] = out.split('\n')
      assert.equal(name, 'me')
      assert.match(entry ?? '', new RegExp(`^${address?.trim()}\\s+me$`))
      assert.ok(Number(servers) > 0)
    })

    test('network ls and inspect', async () => {
      assert.deepEqual(
        (await s.ok('network', 'ls', '--format', '{{.Name}} {{.Driver}}')).split('\n').sort(),
        ['bridge bridge', 'host host', 'none null'],
      )
      assert.match(
        await s.ok('network', 'inspect', '--format', '{{(index .IPAM.Config 0).Subnet}}', 'bridge'),
        /^[\d.]+\/\d+$/,
      )
    })

    test('an unknown network is refused', async () => {
      await s.fails(125, /nosuch/, 'run', '--rm', '--network', 'nosuch', 'busybox', 'true')
      assert.equal(await s.ok('ps', '-aq'), '')
    })
  })
}
