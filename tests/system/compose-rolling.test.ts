/** `gantry compose up --rolling`: services are updated while clients look on, also when something goes wrong on the way. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { composeProject, service } from './compose-project.ts'
import { eventually, finished, system } from './harness.ts'

interface Shape {
  Id: string
}

suite('compose up --rolling', () => {
  const s = system()

  test('--rolling: no request fails, by port or by name, while a new container takes over; one that is not healthy never does', async () => {
    const serve =
      'mkdir /www; sleep 0.3; echo $$V > /www/index.html; httpd -f -p 80 -h /www & trap "exit 0" TERM; wait'
    const content = (version: string, check = 'wget -q -O /dev/null http://127.0.0.1/') => ({
      services: {
        web: service({
          command: ['sh', '-c', serve],
          environment: { V: version },
          ports: ['127.0.0.1::80'],
          healthcheck: { test: ['CMD-SHELL', check], interval: '200ms', retries: 20 },
        }),
        client: service({
          command: [
            'sh',
            '-c',
            'trap "exit 0" TERM; while :; do wget -q -O - http://web/ || echo FAIL; done',
          ],
          depends_on: { web: { condition: 'service_healthy' } },
        }),
      },
    })
    const p = composeProject(s, content('one'))
    await p.ok('up', '-d')
    const address = (await s.ok('port', 'demo-web-1', '80')).split('\n')[0] ?? ''
    const seen: Record<string, number> = {}
    const load = new AbortController()
    const ask = async () => {
      while (!load.signal.aborted) {
        const answer = await fetch(`http://${address}/`, { headers: { connection: 'close' } }).then(
          (response) => response.text(),
          (error: unknown) => `failed: ${String(error)}`,
        )
        seen[answer.trim()] = (seen[answer.trim()] ?? 0) + 1
      }
    }
    const asking = Promise.all([ask(), ask()])
    p.write(content('two'))
    await p.ok('up', '-d', '--rolling')
    await eventually(() => assert.ok((seen['two'] ?? 0) > 10))
    load.abort()
    await asking
    assert.deepEqual(Object.keys(seen).toSorted(), ['one', 'two'])
    assert.equal((await s.ok('port', 'demo-web-1', '80')).split('\n')[0], address)
    const logs = await s.ok('logs', 'demo-client-1')
    assert.deepEqual([...new Set(logs.split('\n'))].toSorted(), ['one', 'two'])
    const { Id } = await s.inspect<Shape>('demo-web-1')
    p.write(content('three', 'false'))
    await p.fails(1, /container [0-9a-f]{12}_demo-web-1 is unhealthy/, 'up', '-d', '--rolling')
    assert.equal((await s.inspect<Shape>('demo-web-1')).Id, Id)
    assert.equal(await (await fetch(`http://${address}/`)).text(), 'two\n')
    await p.ok('down')
  })

  test('one that a restart policy keeps up never takes over; a broken old one is replaced', async () => {
    const content = (command: string, version: string) => ({
      services: {
        web: service({
          command: ['sh', '-c', command],
          environment: { version },
          restart: 'always',
          ports: ['127.0.0.1:18461-18464:80'],
        }),
      },
    })
    const breaks = 'sleep 0.6; exit 3'
    const serves = 'echo fine > /tmp/index.html; exec httpd -f -p 80 -h /tmp'
    const p = composeProject(s, content(serves, '1'))
    await p.ok('up', '-d')
    const { Id } = await s.inspect<Shape>('demo-web-1')
    p.write(content(breaks, '2'))
    await p.fails(1, /container \w+_demo-web-1 ended and was restarted/, 'up', '-d', '--rolling')
    assert.equal((await s.inspect<Shape>('demo-web-1')).Id, Id)
    await p.ok('up', '-d')
    p.write(content(serves, '3'))
    await p.ok('up', '-d', '--rolling')
    const address = await s.ok('port', 'demo-web-1', '80')
    assert.equal(await (await fetch(`http://${address}/`)).text(), 'fine\n')
    await p.ok('down', '-t', '0')
  })

  test('killed when the new one serves: the next up takes the old one away, not the new one', async () => {
    // A client that never asks keeps its connection: what drains has to be waited for.
    const content = (version: string) => ({
      services: {
        web: service({
          command: ['httpd', '-f', '-p', '80'],
          environment: { version },
          ports: ['127.0.0.1::80'],
        }),
      },
    })
    const p = composeProject(s, content('1'))
    await p.ok('up', '-d')
    const [host = '', port = ''] = (await s.ok('port', 'demo-web-1', '80')).split(':')
    using _client = openConnection(host, Number(port))
    p.write(content('2'))
    const child = s.spawn(p.argv('up', '-d', '--rolling'))
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    await eventually(() => assert.match(err, /Draining/))
    child.kill('SIGKILL')
    await finished(child, 'up')
    const [serving = ''] = (
      await s.ok('ps', '-q', '--no-trunc', '--filter', 'label=dev.gantry.took-over')
    ).split('\n')
    assert.match(
      await p.ok('plan'),
      /^Container demo-web-1 +remove +another one has taken over from it\n.* rename /,
    )
    await p.ok('up', '-d')
    assert.equal((await s.inspect<Shape>('demo-web-1')).Id, serving)
    assert.equal(await s.ok('port', 'demo-web-1', '80'), `${host}:${port}`)
    assert.equal(await p.ok('plan'), 'Nothing to do: everything is as the files say.')
    await p.ok('down', '-t', '0')
  })
})

function openConnection(host: string, port: number): Disposable {
  const socket = connect(port, host).on('error', () => {})
  return { [Symbol.dispose]: () => socket.destroy() }
}
