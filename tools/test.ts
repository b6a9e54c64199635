/**
 * `test.ts unit [file…]`: src/**\/*.test.ts and tools/**\/*.test.ts, without root.
 * `test.ts system [file…]`: *.root.test.ts, tests/system and tests/compat: root, the real kernel, real containers; and
 * *.slow.test.ts, which take seconds.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'

export type Stage = 'unit' | 'system'
const root = dirname(import.meta.dirname)

/** The test files of a stage, relative to the checkout, sorted. */
export function filesOf(stage: Stage, cwd: string = root): string[] {
  const patterns =
    stage === 'unit'
      ? ['src/**/*.test.ts', 'tools/**/*.test.ts']
      : ['src/**/*.{root,slow}.test.ts', 'tests/system/**/*.test.ts', 'tests/compat/**/*.test.ts']
  return globSync(patterns, { cwd })
    .filter((file) => stage === 'system' || !/\.(?:root|slow)\.test\.ts$/.test(file))
    .sort()
}

/** Arguments for node: system tests load the machine, so few files at once and generous limits. */
export function runnerArguments(stage: Stage, files: readonly string[]): string[] {
  const patience = Number(process.env['GANTRY_TEST_PATIENCE'] ?? 1)
  const limit = (stage === 'unit' ? 30_000 : 120_000) * patience
  const atOnce = stage === 'unit' ? availableParallelism() : Math.min(2, availableParallelism())
  return [
    '--test',
    `--test-timeout=${limit}`,
    `--test-concurrency=${atOnce}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(import.meta.dirname, 'slowest-files.ts')}`,
    '--test-reporter-destination=stdout',
    ...files,
  ]
}

if (import.meta.main) {
  const [stage, ...chosen] = process.argv.slice(2)
  if (stage !== 'unit' && stage !== 'system') {
    console.error('usage: tools/test.ts unit|system [file…]')
    process.exit(2)
  }
  if (stage === 'system' && process.getuid?.() !== 0) {
    console.error('The system tests run real containers: run them as root.')
    process.exit(1)
  }
  const files = chosen.length > 0 ? chosen.map((file) => relative(root, file)) : filesOf(stage)
  if (files.length === 0) {
    console.error(`no ${stage} tests found`)
    process.exit(1)
  }
  const child = spawn(process.execPath, runnerArguments(stage, files), {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  child.on('exit', (code, signal) => {
    if (signal) console.error(`the test runner was killed by ${signal}`)
    process.exitCode = code ?? 1
  })
}
