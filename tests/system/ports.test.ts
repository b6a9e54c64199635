import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { command, eventually, freePort, system } from './harness.ts'
import { get } from './scenarios/network.ts'

const server = ['busybox', 'sh', '-c', 'mkdir /w; echo hi > /w/index.html; exec httpd -f -p 8080 -h /w']
const serves = (address: string) =>
  eventually(async () => assert.equal((await command(get(address))).stdout, 'hi\n'), 5000)

suite('published ports', () => {
  const s = system()
  const table = () => `gantry_${createHash('sha256').update(s.daemon.execRoot).digest('hex').slice(0, 6)}`

  test('a table that another program removes is back within seconds, and with it the ports', async () => {
    const port = await freePort()
    await s.ok('run', '-d', '-p', `127.0.0.1:${port}:8080`, ...server)
    await serves(`127.0.0.1:${port}`)
    assert.equal((await command(['nft', 'delete', 'table', 'inet', table()])).code, 0)
    const started = Date.now()
    await eventually(async () => {
      const { stdout } = await command(['nft', 'list', 'table', 'inet', table()])
      // nft tells the number where the machine has no /etc/protocols.
      assert.match(stdout, new RegExp(`(?:tcp|6) \\. ${port} `))
    })
    assert.ok(Date.now() - started < 2000, `${Date.now() - started} ms`)
    await serves(`127.0.0.1:${port}`)
  })

  test('all kinds of ports are served again after kill -9', async () => {
    const port = await freePort()
    await s.ok('run', '-d', '-p', `${port}:8080`, ...server)
    await serves(`[::1]:${port}`)
    await s.daemon.killHard()
    await serves(`127.0.0.1:${port}`)
    await s.daemon.start()
    await serves(`127.0.0.1:${port}`)
    await serves(`[::1]:${port}`)
  })

  test('port --check tells who reaches what, and what is in the way', async () => {
    const [port, local] = [await freePort(), await freePort()]
    await s.ok(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      `0.0.0.0:${port}:8080`,
      '-p',
      `127.0.0.1:${local}:81`,
      ...server,
    )
    const check = async () => {
      const lines = (await s.ok('port', '--check', 'web')).split('\n')
      return [
        lines.find((l) => l.includes(`:${port} `)) ?? '',
        lines.find((l) => l.includes(`:${local} `)) ?? '',
      ]
    }
    await eventually(async () => assert.match((await check())[0] ?? '', /redirected +yes +yes/))
    assert.match((await check())[1] ?? '', /nothing in the container listens on 81\/tcp/)
    // Meant for our bridge alone, as others use this machine, too.
    const theirs = `gtf${s.daemon.tag}`
    const rule = `oifname "${s.daemon.bridge}" tcp dport 8080 drop`
    const chain = `table ip ${theirs} {\nchain f {\ntype filter hook forward priority 5\n${rule}\n}\n}\n`
    assert.equal((await command(['nft', '-f', '-'], { input: chain })).code, 0)
    try {
      const [line = ''] = await check()
      assert.match(line, new RegExp(`yes +yes +no: dropped by ip ${theirs} f \\(rule \\d+\\)`))
    } finally {
      await command(['nft', 'delete', 'table', 'ip', theirs])
    }
    assert.match(
      await s.ok('port', '--check', 'web', '8080'),
      new RegExp(`^PORT .*\n8080/tcp +0\\.0\\.0\\.0:${port} [^\n]*$`),
    )
  })
})

suite('published ports that respect the host’s firewall', () => {
  const s = system('gantry', { flags: ['--respect-host-firewall'] })

  test('the host’s input rules decide', async () => {
    const port = await freePort()
    await s.ok('run', '-d', '--name', 'web', '-p', `${port}:8080`, ...server)
    for (const host of ['127.0.0.1', '[::1]']) await serves(`${host}:${port}`)
    assert.match(await s.ok('port', '--check', 'web'), / relayed +yes +yes/)
    const theirs = `gti${s.daemon.tag}`
    const chain = `table inet ${theirs} {\nchain f {\ntype filter hook input priority 5\ntcp dport ${port} drop\n}\n}\n`
    assert.equal((await command(['nft', '-f', '-'], { input: chain })).code, 0)
    try {
      assert.notEqual((await command(get(`127.0.0.1:${port}`))).code, 0)
      assert.match(await s.ok('port', '--check', 'web'), new RegExp(`no: dropped by inet ${theirs} f`))
    } finally {
      await command(['nft', 'delete', 'table', 'inet', theirs])
    }
    await serves(`127.0.0.1:${port}`)
  })
})
