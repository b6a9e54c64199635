/** `gantry compose --dry-run`: it tells what a command would do, and the engine stays as it is. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { system } from './harness.ts'

const content = {
  name: 'dry',
  services: {
    db: {
      image: 'busybox',
      command: ['sleep', '1000'],
      stop_signal: 'SIGKILL',
      volumes: ['data:/data'],
      healthcheck: { test: ['CMD', 'true'], interval: '1s' },
    },
    job: { image: 'busybox', command: ['true'] },
    web: {
      image: 'busybox',
      command: ['sleep', '1000'],
      stop_signal: 'SIGKILL',
      depends_on: {
        db: { condition: 'service_healthy' },
        job: { condition: 'service_completed_successfully' },
      },
    },
    app: { build: { context: '.', dockerfile_inline: 'FROM busybox\nRUN true\n' }, profiles: ['app'] },
  },
  volumes: { data: {} },
}

suite('compose --dry-run', () => {
  const s = system()
  const open = () => {
    const folder = mkdtempSync(join(s.daemon.home, 'c-'))
    const file = join(folder, 'compose.yaml')
    writeFileSync(file, JSON.stringify(content))
    return {
      folder,
      argv: (...args: string[]) => ['compose', '-f', file, ...args],
      /** What a command says of its work, without what stands before each line. */
      async dry(...args: string[]) {
        const { code, stderr } = await s.run(['compose', '-f', file, '--dry-run', ...args])
        assert.equal(code, 0, stderr)
        const lines = stderr.split('\n').filter((line) => line !== '')
        for (const line of lines) assert.match(line, /^ DRY-RUN MODE -  /)
        return lines.map((line) => line.slice(' DRY-RUN MODE -  '.length))
      },
    }
  }
  const whatIs = async () => [
    await s.ok('ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.State}} {{.Names}}'),
    await s.ok('network', 'ls', '--no-trunc', '-q'),
    await s.ok('volume', 'ls', '-q'),
    await s.ok('images', '--no-trunc', '-q'),
  ]

  test('up from nothing', async () => {
    const p = open()
    const before = await whatIs()
    const told = await p.dry('--profile', 'app', 'up', '-d')
    for (const line of ['app  Built', 'Network dry_default  Created', 'Volume dry_data  Created'])
      assert.ok(told.includes(line), `${line} in\n${told.join('\n')}`)
    assert.ok(
      told.indexOf('Container dry-db-1  Healthy') < told.indexOf('Container dry-web-1  Starting') &&
        told.indexOf('Container dry-job-1  Exited') < told.indexOf('Container dry-web-1  Starting'),
      told.join('\n'),
    )
    const attached = await s.run(p.argv('up', '--dry-run', 'db'))
    assert.match(attached.stdout, /interactive run is not supported in dry-run mode/)
    assert.match(attached.stderr, /^ DRY-RUN MODE - {2}Container dry-db-1 {2}Created$/m)
    assert.doesNotMatch(attached.stderr, /Starting/)
    await s.fails(1, /interactive run is not supported/, ...p.argv('run', '--dry-run', '--no-deps', 'web'))
    assert.deepEqual(await whatIs(), before)
  })

  test('every command that changes what runs', async () => {
    const p = open()
    await s.ok(...p.argv('up', '-d'))
    const before = await whatIs()
    const id = await s.ok(...p.argv('ps', '-q', 'web'))
    for (const [args, line] of [
      [['up', '-d', '--force-recreate', 'web'], 'Container dry-web-1  Recreated recreation was asked for'],
      [['scale', 'web=2'], 'Container dry-web-2  Started'],
      [['restart', 'web'], 'Container dry-web-1  Started'],
      [['stop'], 'Container dry-db-1  Stopped'],
      [['kill'], 'Container dry-db-1  Killed'],
      [['pause'], 'Container dry-web-1  Paused'],
      [['rm', '-f', '-s', 'web'], 'Container dry-web-1  Removed'],
      [['create', '--force-recreate', 'db'], 'Container dry-db-1  Recreated recreation was asked for'],
      [['commit', 'web', 'dry:1'], 'dry-web-1  Committed as dryRunId'],
      [['down', '-v', '--rmi', 'all'], 'Image busybox  Removed'],
    ] as const) {
      const told = await p.dry(...args)
      assert.ok(told.includes(line), `${line} in\n${told.join('\n')}`)
    }
    assert.deepEqual(await p.dry('cp', 'web:/bin/busybox', p.folder), [
      `dry-web-1  Copying copy dry-web-1:/bin/busybox to ${p.folder}`,
      `dry-web-1  Copied copy dry-web-1:/bin/busybox to ${p.folder}`,
    ])
    assert.equal(existsSync(join(p.folder, 'busybox')), false)
    await p.dry('cp', join(p.folder, 'compose.yaml'), 'web:/here')
    await s.fails(1, /here/, ...p.argv('exec', 'web', 'ls', '/here'))
    await p.dry('export', '-o', join(p.folder, 'x.tar'), 'web')
    assert.equal(existsSync(join(p.folder, 'x.tar')), false)
    await s.fails(1, /interactive exec is not supported/, ...p.argv('--dry-run', 'exec', 'web', 'true'))
    assert.equal(
      (await s.ok(...p.argv('exec', '--dry-run', '-d', 'web', 'touch', '/x'))).trim(),
      `DRY-RUN MODE - Executing command ["touch","/x"] in ${id} (detached mode)`,
    )
    assert.deepEqual(await whatIs(), before)
    await s.ok(...p.argv('down', '-v'))
  })
})
