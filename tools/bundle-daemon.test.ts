import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { bundleDaemon } from './bundle-daemon.ts'

const root = join(import.meta.dirname, '..')

/** A checkout that shares our sources and packages, with a bundle of its own where bin/gantryd looks for it. */
async function checkout(t: TestContext): Promise<{ program: string; cache: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const cache = join(directory, 'node_modules/.cache/gantry')
  const program = await bundleDaemon(cache)
  const packages = readdirSync(join(root, 'node_modules')).filter((name) => !name.startsWith('.'))
  for (const name of ['src', 'data', 'package.json', ...packages.map((p) => `node_modules/${p}`)])
    symlinkSync(join(root, name), join(directory, name))
  return { program, cache }
}

const run = (program: string, ...argv: string[]) =>
  execFileSync(process.execPath, [program, ...argv], { encoding: 'utf8' })

test('the bundle says what the sources say, has the files of its threads, and steps aside when it is old', async (t) => {
  const { program, cache } = await checkout(t)
  const main = join(cache, 'daemon/src/daemon/main.mjs')
  for (const flag of ['--version', '--help'])
    assert.equal(run(program, flag), run(join(root, 'src/daemon/main.ts'), flag))
  for (const thread of ['snapshot/worker', 'network/dns/dns-worker', 'runtime/relay-worker'])
    assert.ok(existsSync(join(cache, `daemon/src/${thread}.mjs`)), thread)
  writeFileSync(main, `console.log('from the bundle')`)
  assert.equal(run(program, '--version'), 'from the bundle\n')
  const stale = readFileSync(program, 'utf8').replace(/"src\/daemon\/main\.ts",\d+/, '"src/daemon/main.ts",1')
  writeFileSync(program, stale)
  assert.match(run(program, '--version'), /^gantryd version/)
})
