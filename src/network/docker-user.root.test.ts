import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs a module in a network namespace of its own, where the chains of a dockerd can be made up. */
async function elsewhere(code: string): Promise<unknown> {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const module = `
    import { DockerUser } from ${url('./docker-user.ts')}
    import { apply } from ${url('../host/nft.ts')}
    import { background } from ${url('../lib/op.ts')}
    import { silentLogger } from ${url('../lib/log.ts')}
    import { execFileSync } from 'node:child_process'
    const warnings = []
    const op = background({ ...silentLogger, warn: (message) => warnings.push(message) })
    const dockerUser = new DockerUser('x')
    const rules = () => execFileSync('nft', ['list', 'chain', 'ip', 'filter', 'DOCKER-USER'], { encoding: 'utf8' })
      .split('\\n').slice(2, -3).map((line) => line.trim().replace(/ counter packets \\d+ bytes \\d+/, ''))
    ${code}`
  const args = ['-n', process.execPath, '--input-type=module', '-e', module]
  return JSON.parse((await execute('unshare', args)).stdout)
}

const chains = (rules: string) => `
  await apply(op, \`table ip filter {
    chain FORWARD {
      type filter hook forward priority filter; policy drop;
    }
    chain DOCKER-USER {
      ${rules}
    }
  }\`)`

test('accepts stand behind the admin’s rules and before the end, once, and go again', async () => {
  const seen = await elsewhere(`
    ${chains('ip saddr 10.9.9.9 drop\n counter return')}
    const steps = []
    for (const bridges of [['br1'], ['br1', 'br2'], ['br2']]) {
      await dockerUser.allow(op, bridges)
      steps.push(rules())
    }
    await dockerUser.withdraw(op)
    steps.push(rules())
    console.log(JSON.stringify({ steps, warnings }))`)
  const accepts = (...bridges: string[]) => [
    'ip saddr 10.9.9.9 drop',
    ...bridges.flatMap((b) =>
      ['iifname', 'oifname'].map((side) => `${side} "${b}" accept comment "gantry_x"`),
    ),
    'counter packets 0 bytes 0 return',
  ]
  const plain = (steps: string[][]) =>
    steps.map((step) =>
      step.map((rule) =>
        rule.replace(/^counter packets \d+ bytes \d+ return$|^return$/, 'counter packets 0 bytes 0 return'),
      ),
    )
  const { steps, warnings } = seen as { steps: string[][]; warnings: string[] }
  assert.deepEqual(plain(steps), [accepts('br1'), accepts('br1', 'br2'), accepts('br2'), accepts()])
  assert.deepEqual(warnings, [])
})

test('an empty chain is used too; without it a FORWARD that drops is reported and left alone', async () => {
  const seen = await elsewhere(`
    ${chains('')}
    await dockerUser.allow(op, ['br1'])
    const first = rules()
    await apply(op, 'delete chain ip filter DOCKER-USER')
    await dockerUser.allow(op, ['br1'])
    await dockerUser.withdraw(op)
    console.log(JSON.stringify({ first, warnings }))`)
  const { first, warnings } = seen as { first: string[]; warnings: string[] }
  assert.deepEqual(first, [
    'iifname "br1" accept comment "gantry_x"',
    'oifname "br1" accept comment "gantry_x"',
  ])
  assert.match(warnings.join(), /FORWARD/)
})
