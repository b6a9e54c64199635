/**
 * The daemon is killed with SIGKILL at moments that a seed chooses, while containers log, end, restart and are created. Whatever was
 * answered must hold afterwards. GANTRY_TEST_SEED repeats a run; GANTRY_TEST_ROUNDS makes it longer.
 */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededChoice } from '../../src/lib/seeded-random.ts'
import { eventually, system } from './harness.ts'

interface Inspected {
  Id: string
  Name: string
  RestartCount: number
  State: { Status: string; Pid: number; ExitCode: number; Error: string }
}

const seed = Number(process.env['GANTRY_TEST_SEED'] ?? 7)
const rounds = Number(process.env['GANTRY_TEST_ROUNDS'] ?? 3)

/** Numbers from 0 to 1 by mulberry32. */
const counting = 'i=0; while :; do echo line $i; i=$((i+1)); usleep 20000; done'
/** Each life writes its number, so that two at once, or one that nobody counted, would show. */
const living = 'echo x >> /lives; echo life $(wc -l < /lives); usleep 150000; exit 9'

suite('kill -9 of the daemon under load', () => {
  const s = system()
  const pick = seededChoice(seed)

  const create = async (name: string, script: string, policy = 'no') => {
    const body = {
      Image: 'busybox',
      Cmd: ['sh', '-c', script],
      HostConfig: { RestartPolicy: { Name: policy }, NetworkMode: pick(2) === 0 ? 'bridge' : 'none' },
    }
    await s.daemon.json('POST', `/containers/create?name=${name}`, body)
  }
  const start = (name: string) => s.daemon.json('POST', `/containers/${name}/start`)
  const up = async (name: string, script: string, policy?: string) => {
    await create(name, script, policy)
    await start(name)
  }

  test(`nothing answered is lost, nothing is there twice (seed ${seed})`, async (t) => {
    const loggers = Array.from({ length: 8 }, (_, i) => `logs-${i}`)
    await Promise.all(loggers.map((name) => up(name, counting)))
    const pids = new Map<string, number>()
    for (const name of loggers) pids.set(name, (await s.inspect<Inspected>(name)).State.Pid)
    const lives: string[] = []
    const exits = new Map<string, number>()

    for (let round = 0; round < rounds; round++) {
      /** Created, and the answer came. */
      const answered = new Set<string>()
      /** Their removal was asked for, and no answer came. */
      const doomed = new Set<string>()
      // Their waits grow with each life, so that each round has its own.
      const fresh = [0, 1, 2, 3].map((i) => `lives-${round}-${i}`)
      lives.push(...fresh)
      await Promise.all(fresh.map((name, i) => up(name, living, i % 2 === 0 ? 'always' : 'on-failure')))
      // These end while nobody listens.
      for (let i = 0; i < 3; i++) {
        const name = `ends-${round}-${i}`
        const code = 3 + pick(100)
        await up(name, `usleep ${200_000 + pick(600_000)}; echo done; exit ${code}`)
        exits.set(name, code)
      }
      let stop = false
      const creators = [0, 1, 2].map(async (worker) => {
        for (let i = 0; !stop; i++) {
          const name = `made-${round}-${worker}-${i}`
          try {
            await create(name, 'sleep 1000')
            answered.add(name)
            await start(name)
            if (pick(3) === 0) {
              doomed.add(name)
              answered.delete(name)
              await s.daemon.json('DELETE', `/containers/${name}?force=1`)
            }
          } catch (error) {
            // The call that the kill cut off may have done its work or not.
            if (!stop && !/ECONN|socket hang up|EPIPE/.test(String(error))) throw error
            return
          }
        }
      })
      await sleep(100 + pick(900))
      const killed = s.daemon.killHard()
      stop = true
      await killed
      await Promise.all(creators)
      await sleep(pick(500))
      await s.daemon.start()
      const counts = new Map<string, number>()
      for (const name of fresh) counts.set(name, (await s.inspect<Inspected>(name)).RestartCount)

      const listed = await s.daemon.json<{ Id: string; Names: string[]; State: string }[]>(
        'GET',
        '/containers/json?all=1',
      )
      const names = listed.flatMap((c) => c.Names.map((name) => name.slice(1)))
      assert.equal(new Set(names).size, names.length, `two containers with one name: ${names.join(' ')}`)
      for (const name of [...loggers, ...lives, ...exits.keys(), ...answered])
        assert.ok(names.includes(name), `${name} is lost in round ${round}`)
      for (const name of loggers) {
        const { State } = await s.inspect<Inspected>(name)
        assert.deepEqual([State.Status, State.Pid], ['running', pids.get(name)], name)
      }
      for (const [name, code] of exits)
        await eventually(async () => {
          const { State } = await s.inspect<Inspected>(name)
          assert.deepEqual([State.Status, State.ExitCode], ['exited', code], name)
        })
      for (const name of fresh)
        await eventually(async () => {
          const { RestartCount } = await s.inspect<Inspected>(name)
          assert.ok(RestartCount > (counts.get(name) ?? 0), `${name} does not restart any more`)
        }, 30_000)
      // What the cut-off calls left is whole: it can be used and removed.
      for (const name of names.filter((one) => one.startsWith('made-'))) {
        const { status, text } = await s.daemon.api('DELETE', `/containers/${name}?force=1`)
        assert.equal(status, 204, `${name}: ${text}`)
      }
      t.diagnostic(
        `round ${round}: ${names.length} containers, ${answered.size} created meanwhile, ${doomed.size} removed`,
      )
    }

    for (const name of [...loggers, ...lives]) await s.ok('kill', name)
    for (const name of loggers) {
      const lines = (await s.ok('logs', name)).split('\n')
      assert.ok(lines.length > 50, `${name} wrote ${lines.length} lines`)
      for (const [index, line] of lines.entries()) assert.equal(line, `line ${index}`, name)
    }
    for (const name of lives) {
      const lines = (await s.ok('logs', name)).split('\n')
      for (const [index, line] of lines.entries()) assert.equal(line, `life ${index + 1}`, name)
    }
    for (const name of exits.keys()) assert.equal(await s.ok('logs', name), 'done')
  })
})
