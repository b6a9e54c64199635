/** `gantry compose` from files to running containers and back, on our engine. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { composeProject, service } from './compose-project.ts'
import { eventually, finished, system } from './harness.ts'

interface Shape {
  Id: string
  Mounts: { Name?: string; Destination: string }[]
  State: { Status: string }
}

suite('compose', () => {
  const s = system()
  const project = (content: object) => composeProject(s, content)

  test('up makes everything, a second one nothing, a change its service alone; plan says it beforehand', async () => {
    const content = (log: string) => ({
      services: {
        web: service({
          environment: { LOG: log, PASSWORD: `secret-${log}` },
          depends_on: ['db'],
          networks: ['front', 'back'],
        }),
        db: service({ volumes: ['data:/data', '/scratch'], networks: ['back'] }),
      },
      networks: { front: {}, back: {} },
      volumes: { data: {} },
    })
    const p = project(content('info'))
    assert.match(await p.ok('plan'), /^Container demo-db-1 +create +it is not there yet$/m)
    const first = await p.told('up', '-d')
    for (const line of [
      'Network demo_back  Created',
      'Volume demo_data  Created',
      'Container demo-db-1  Started',
      'Container demo-web-1  Started',
    ])
      assert.ok(first.includes(line), `${line} in\n${first.join('\n')}`)
    assert.ok(
      first.indexOf('Container demo-db-1  Started') < first.indexOf('Container demo-web-1  Starting'),
      'what is depended on starts first',
    )
    assert.equal(await p.ok('plan'), 'Nothing to do: everything is as the files say.')
    const ids = await p.ok('ps', '-q')
    assert.deepEqual((await p.told('up', '-d')).toSorted(), [
      'Container demo-db-1  Running',
      'Container demo-web-1  Running',
    ])
    assert.equal(await p.ok('ps', '-q'), ids)
    p.write(content('debug'))
    const why = 'environment.LOG: info → debug; environment.PASSWORD: (secret) → (secret)'
    assert.equal(await p.ok('plan'), `Container demo-web-1   recreate   ${why}`)
    assert.ok((await p.told('up', '-d')).includes(`Container demo-web-1  Recreated ${why}`))
    assert.equal((await p.ok('ps', '-q')).split('\n')[0], ids.split('\n')[0])
    // By the other's name, as the network has it.
    assert.match(await s.ok('exec', 'demo-web-1', 'nslookup', 'db'), /Address/)
    await p.ok('down', '-v')
    assert.equal(await s.ok('volume', 'ls', '-q'), '')
    assert.doesNotMatch(await s.ok('network', 'ls'), /demo/)
  })

  test('a recreated container keeps its anonymous volumes, unless they are to be renewed', async () => {
    const content = (version: string) => ({
      services: { db: service({ environment: { version }, volumes: ['/data'] }) },
    })
    const p = project(content('1'))
    await p.ok('up', '-d')
    await s.ok('exec', 'demo-db-1', 'sh', '-c', 'echo kept > /data/f')
    p.write(content('2'))
    await p.ok('up', '-d')
    assert.equal(await s.ok('exec', 'demo-db-1', 'cat', '/data/f'), 'kept')
    p.write(content('3'))
    await p.ok('up', '-d', '-V')
    await s.fails(1, /No such file/, 'exec', 'demo-db-1', 'cat', '/data/f')
    await p.ok('down', '-v')
  })

  test('conditions of depends_on: healthy, completed; what fails starts nothing more', async () => {
    const check = { test: ['CMD', 'test', '-e', '/ok'], interval: '200ms', retries: 50 }
    const p = project({
      services: {
        web: service({
          depends_on: {
            db: { condition: 'service_healthy' },
            init: { condition: 'service_completed_successfully' },
          },
        }),
        db: service({
          command: ['sh', '-c', 'sleep 0.5; touch /ok; trap "exit 0" TERM; sleep 1000 & wait'],
          healthcheck: check,
        }),
        init: service({ command: ['true'] }),
      },
    })
    const told = await p.told('up', '-d', '--wait', '--wait-timeout', '60')
    const at = (line: string) => told.indexOf(line)
    assert.ok(at('Container demo-db-1  Healthy') < at('Container demo-web-1  Starting'), told.join('\n'))
    assert.ok(at('Container demo-init-1  Exited') >= 0)
    await p.ok('down')
    const bad = project({
      services: {
        web: service({ depends_on: { init: { condition: 'service_completed_successfully' } } }),
        init: service({ command: ['sh', '-c', 'exit 3'] }),
      },
    })
    await bad.fails(1, /dependency failed to start: container demo-init-1 .*exit 3/, 'up', '-d')
    assert.equal((await s.inspect<Shape>('demo-web-1')).State.Status, 'created')
    await bad.ok('down')
  })

  test('configs and secrets: from files, texts and variables, with owner and rights', async () => {
    const p = project({
      services: {
        web: service({
          configs: [{ source: 'inline', target: '/etc/inline' }],
          secrets: [
            'plain',
            { source: 'plain', target: 'owned', uid: '7', gid: '8', mode: 0o400 },
            'variable',
          ],
        }),
      },
      configs: { inline: { content: 'a text' } },
      secrets: { plain: { file: './plain' }, variable: { environment: 'WORD' } },
    })
    writeFileSync(join(p.folder, 'plain'), 'from a file')
    const up = await s.run(p.argv('up', '-d'), { env: { WORD: 'from a variable' } })
    assert.equal(up.code, 0, up.stderr)
    const look =
      'cat /etc/inline /run/secrets/plain /run/secrets/owned /run/secrets/variable; stat -c " %u:%g %a" /run/secrets/owned'
    assert.equal(
      await s.ok('exec', 'demo-web-1', 'sh', '-c', look),
      'a textfrom a filefrom a filefrom a variable 7:8 400',
    )
    const labels = JSON.stringify(await s.inspect('demo-web-1'))
    assert.doesNotMatch(labels, /from a (file|variable)/)
    writeFileSync(join(p.folder, 'plain'), 'another')
    const plan = await s.run(p.argv('plan'), { env: { WORD: 'from a variable' } })
    assert.equal(plan.stdout, 'Container demo-web-1   recreate   /run/secrets/owned: content changed\n')
    await p.ok('down')
  })

  test('in the foreground: prefixes, the code of the one that ended, the others stopped', async () => {
    const p = project({
      services: {
        job: service({ command: ['sh', '-c', 'echo working; sleep 0.3; exit 3'] }),
        web: service(),
      },
    })
    const result = await s.run(p.argv('up', '--abort-on-container-exit'))
    assert.equal(result.code, 3, result.stderr)
    assert.match(result.stdout, /^Attaching to job-1, web-1$/m)
    for (const line of [/^job-1 {2}\| working$/m, /^web-1 {2}\| term$/m, /^job-1 exited with code 3$/m])
      assert.match(result.stdout, line)
    const one = await s.run(p.argv('up', 'job'))
    assert.equal(one.stdout, 'Attaching to job-1\njob-1  | working\njob-1 exited with code 3\n')
    const child = s.spawn(p.argv('up', 'web'))
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    await eventually(() => assert.match(out, /up/))
    child.kill('SIGINT')
    const interrupted = await finished(child, 'up')
    assert.equal(interrupted.code, 130, interrupted.stderr)
    assert.equal((await s.inspect<Shape>('demo-web-1')).State.Status, 'exited')
    await p.ok('down')
  })

  test('scale, orphans, one-off words of life', async () => {
    const p = project({ services: { web: service(), old: service() } })
    await p.ok('up', '-d', '--scale', 'web=3')
    assert.equal((await p.ok('ps', '-q', 'web')).split('\n').length, 3)
    await p.ok('scale', 'web=1')
    p.write({ services: { web: service() } })
    const warned = await s.run(p.argv('up', '-d'))
    assert.match(warned.stderr, /Found orphan containers \(\[demo-old-1\]\)/)
    await p.ok('pause', 'web')
    assert.match(await p.ok('ps', '--status', 'paused'), /demo-web-1/)
    await p.ok('unpause')
    await p.ok('restart', '-t', '5')
    await p.ok('stop')
    assert.match(await p.ok('ls', '-a'), /^demo +exited\(2\) /m)
    await p.ok('start')
    await p.ok('kill', 'web')
    assert.equal(await p.ok('rm', '-f', 'web'), 'Going to remove demo-web-1')
    await p.fails(1, /service "web" has no container to start/, 'start')
    // Without the files: by the name alone.
    await s.ok('compose', '-p', 'demo', 'down')
    assert.equal(await s.ok('ps', '-aq'), '')
  })

  test('an up that was killed in the middle is taken up by the next one', async () => {
    const content = (version: string) => ({
      services: { web: service({ environment: { version }, scale: 3 }) },
    })
    const p = project(content('1'))
    await p.ok('up', '-d')
    p.write(content('2'))
    const child = s.spawn(p.argv('up', '-d'))
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    await eventually(() => assert.match(err, /Recreate/))
    child.kill('SIGKILL')
    await finished(child, 'up')
    await p.ok('up', '-d')
    assert.equal(
      (await s.ok('ps', '-a', '--format', '{{.Names}}')).split('\n').toSorted().join(' '),
      'demo-web-1 demo-web-2 demo-web-3',
    )
    assert.equal(await p.ok('plan'), 'Nothing to do: everything is as the files say.')
    await p.ok('down')
  })

  test('faults start nothing', async () => {
    const p = project({ services: { web: service({ depends_on: ['nope'] }) } })
    await p.fails(1, /compose\.yaml:1:\d+: service "web" depends on undefined service "nope"/, 'up', '-d')
    await project({ services: { web: service() } }).fails(1, /no such service: other/, 'up', '-d', 'other')
    assert.equal(await s.ok('ps', '-aq'), '')
  })
})
