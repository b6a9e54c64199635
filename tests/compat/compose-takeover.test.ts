/** `gantry compose` and docker compose work on each other's projects, on our engine and on a real one (GANTRY_TEST_DOCKERD). */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { busyboxTar, command, root, system, type Result } from '../system/harness.ts'
import { programs } from './compose-programs.ts'

const [theirs] = programs().filter(({ major, version }) => major === 2 && Number(version.split('.')[1]) >= 40)
const dockerd = process.env['GANTRY_TEST_DOCKERD'] ?? ''

const image = 'gttakeover-busybox'
const project = {
  services: {
    web: {
      image,
      command: ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 1000 & wait $$!; done"],
      environment: { A: 'b' },
      depends_on: ['db'],
      networks: ['front', 'default'],
      volumes: ['data:/data', '/anonymous'],
    },
    db: { image, command: ['sleep', '1000'], init: true, scale: 2 },
  },
  networks: { front: {} },
  volumes: { data: {} },
}

suite('projects of docker compose', { skip: theirs ? false : 'docker compose 2.40 is not here' }, () => {
  const s = system()
  const hosts: Record<string, () => string> = {
    'our engine': () => `unix://${s.daemon.socket}`,
    ...(dockerd !== '' && { 'a real Docker': () => dockerd }),
  }
  for (const [name, hostOf] of Object.entries(hosts))
    test(`both take over from each other, on ${name}`, async () => {
      const file = join(mkdtempSync(join(s.daemon.home, 'c-')), 'compose.yaml')
      writeFileSync(file, JSON.stringify(project))
      const run = async (argv: readonly string[], ...args: string[]): Promise<Result> => {
        const env = { GANTRY_HOST: hostOf(), DOCKER_HOST: hostOf() }
        const result = await command([...argv, '-f', file, '-p', 'gttakeover', ...args], {
          env,
          timeout: 60_000,
        })
        assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`)
        return result
      }
      const gantry = join(root, 'bin/gantry')
      const env = { GANTRY_HOST: hostOf() }
      const imported = await command([gantry, 'import', '-', image], { env, input: await busyboxTar() })
      assert.equal(imported.code, 0, imported.stderr)
      const ours = [gantry, 'compose']
      const other = theirs?.argv ?? []
      for (const [first, second] of [
        [other, ours],
        [ours, other],
      ] as const) {
        await run(first, 'up', '-d')
        const before = (await run(first, 'ps', '-q')).stdout
        assert.equal((await run(ours, 'plan')).stdout, 'Nothing to do: everything is as the files say.\n')
        assert.doesNotMatch((await run(second, 'up', '-d')).stderr, /Recreat|Creat/)
        assert.deepEqual(
          (await run(second, 'ps', '-q')).stdout.trim().split('\n').toSorted(),
          before.trim().split('\n').toSorted(),
        )
        await run(second, 'down', '-v', '-t', '1')
        assert.equal((await run(second, 'ps', '-aq')).stdout, '')
      }
      await command([gantry, 'rmi', image], { env })
    })
})
