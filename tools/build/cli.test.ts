import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import { writeCli } from './cli.ts'
import { root } from './sources.ts'

const run = (program: string, ...argv: string[]) =>
  execFileSync(process.execPath, [program, ...argv], { encoding: 'utf8' })
const fromSources = (...argv: string[]) => run(join(root, 'src/cli/main.ts'), ...argv)

suite('the command line in few files', () => {
  const shared = mkdtempSync(join(tmpdir(), 'gantry-'))
  before(() => writeCli(shared))
  after(() => rmSync(shared, { recursive: true }))

  /** A checkout that shares our sources, or without any, with the bundle where bin/gantry looks for it. */
  function checkout(t: TestContext, names = ['src', 'package.json']): string {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
    t.after(() => rmSync(directory, { recursive: true }))
    cpSync(shared, join(directory, 'dist/cli'), { recursive: true })
    for (const name of names) symlinkSync(join(root, name), join(directory, name))
    return join(directory, 'dist/cli/main.cjs')
  }

  function edit(file: string, from: string | RegExp, to: string): void {
    const text = readFileSync(file, 'utf8')
    const changed = text.replaceAll(from, to)
    assert.notEqual(changed, text, `${file} has no ${String(from)}`)
    writeFileSync(file, changed)
  }

  test('says what the sources say', (t) => {
    const program = checkout(t)
    for (const argv of [
      ['--version'],
      ['run', '--help'],
      ['build', '--help'],
      ['system', 'df', '--help'],
      ['compose', 'version', '--short'],
    ])
      assert.equal(run(program, ...argv), fromSources(...argv))
  })

  test('says so without sources, which the package of npm does not have', (t) => {
    const program = checkout(t, ['package.json'])
    assert.equal(run(program, 'compose', 'up', '--help'), fromSources('compose', 'up', '--help'))
  })

  test('steps aside when a source has changed that every command needs', (t) => {
    const program = checkout(t)
    edit(program, 'Gantry version', 'Stale version')
    edit(program, 'accepts no arguments', 'takes no arguments')
    assert.throws(() => run(program, 'ps', 'x'), /takes no arguments/)
    edit(program, '"src/cli/main.ts",', '$&1')
    assert.throws(() => run(program, 'ps', 'x'), /accepts no arguments/)
  })

  test('steps aside when a source of the command has changed', (t) => {
    const program = checkout(t)
    const name = readdirSync(join(program, '..')).find((file) => file.startsWith('ps-'))
    const file = join(program, '..', name ?? '')
    edit(file, 'Only display container IDs', 'Stale')
    assert.match(run(program, 'ps', '--help'), /Stale/)
    edit(file, '"src/cli/commands/ps.ts",', '$&1')
    assert.equal(run(program, 'ps', '--help'), fromSources('ps', '--help'))
  })
})
