import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { writeDaemon } from './daemon.ts'
import { root } from './sources.ts'

/** A checkout that shares our sources and packages, with bundles of its own where the programs look for them. */
async function checkout(t: TestContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const dist = join(directory, 'dist')
  await writeDaemon(dist)
  for (const name of ['src', 'data', 'package.json', 'node_modules'])
    symlinkSync(join(root, name), join(directory, name))
  return dist
}

/** All that it says. */
function run(program: string, flag: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, [program, flag], { encoding: 'utf8' })
  return stdout + stderr
}

test('the bundles say what the sources say, have the files of their threads, and step aside when they are old', async (t) => {
  const dist = await checkout(t)
  for (const [name, entry] of [
    ['gantryd', 'main'],
    ['gantry-registry', 'registry-main'],
  ] as const) {
    const program = join(dist, `${name}.mjs`)
    const main = join(dist, `daemon/src/daemon/${entry}.mjs`)
    const before = run(program, '--no-such-flag')
    assert.match(before, /unknown flag: --no-such-flag/)
    assert.equal(before, run(join(root, `src/daemon/${entry}.ts`), '--no-such-flag'))
    writeFileSync(main, `console.log('from the bundle')`)
    assert.equal(run(program, '--no-such-flag'), 'from the bundle\n')
    const text = readFileSync(program, 'utf8')
    const stale = text.replace(`"src/daemon/${entry}.ts",`, '$&1')
    assert.notEqual(stale, text)
    writeFileSync(program, stale)
    assert.equal(run(program, '--no-such-flag'), before)
  }
  const threads = readdirSync(join(dist, 'daemon/src'), { recursive: true, encoding: 'utf8' })
  for (const thread of ['snapshot/worker', 'network/dns/dns-worker', 'runtime/relay-worker'])
    assert.ok(threads.includes(`${thread}.mjs`), thread)
})
