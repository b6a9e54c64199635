import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { bundle } from './bundle-cli.ts'

const root = join(import.meta.dirname, '..')

/** A checkout that shares our sources, with the bundle where bin/gantry looks for it. */
function checkout(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'node_modules/.cache/gantry/cli.cjs')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  symlinkSync(join(root, 'src'), join(directory, 'src'))
  symlinkSync(join(root, 'package.json'), join(directory, 'package.json'))
  return file
}

const run = (file: string, ...argv: string[]) =>
  execFileSync(process.execPath, [file, ...argv], { encoding: 'utf8' })
const fromSources = (...argv: string[]) => run(join(root, 'src/cli/main.ts'), ...argv)

test('the bundle says what the sources say', async (t) => {
  const file = checkout(t, await bundle())
  for (const argv of [['--version'], ['run', '--help'], ['build', '--help'], ['system', 'df', '--help']])
    assert.equal(run(file, ...argv), fromSources(...argv))
})

test('a bundle of other sources steps aside', async (t) => {
  const text = await bundle()
  const stale = text
    .replace(/"src\/cli\/main\.ts",\d+/, '"src/cli/main.ts",1')
    .replaceAll('Gantry version', 'Stale version')
  assert.notEqual(stale, text)
  assert.equal(run(checkout(t, stale), '--version'), fromSources('--version'))
})
