/** What must hold before a commit: format, types, lint, layers, unit tests. Under a minute, without root. */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { checkTree } from './layers.ts'
import { filesOf, runnerArguments } from './test.ts'

interface Result {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  readonly output: string
}

const root = dirname(import.meta.dirname)
const bin = (name: string) => join(root, 'node_modules/.bin', name)

/** Runs a tool. `live` output goes straight to ours; other output is kept and shown only when the tool fails. */
function step(name: string, command: string, args: string[], live = false): Promise<Result> {
  const started = performance.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'],
    })
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', (error) => {
      resolve({ name, ok: false, ms: performance.now() - started, output: `${output}${error.message}\n` })
    })
    child.on('close', (code) => resolve({ name, ok: code === 0, ms: performance.now() - started, output }))
  })
}

function layers(): Result {
  const started = performance.now()
  const found = checkTree(root)
  const output = found.map((v) => `${v.file}:${v.line}: ${v.reason}\n`).join('')
  return { name: 'layers', ok: found.length === 0, ms: performance.now() - started, output }
}

const line = ({ name, ok, ms }: Result) =>
  `${ok ? '✔' : '✖'} ${name.padEnd(16)}${(ms / 1000).toFixed(1).padStart(6)} s`

function show(result: Result): Result {
  console.log(line(result))
  if (!result.ok && result.output) console.log(result.output.trimEnd())
  return result
}

// The bins of oxfmt and oxlint are scripts for node; tsc is one too. All start native programs that use every core.
const node = process.execPath
const results = await Promise.all(
  [
    Promise.resolve(layers()),
    step('format', node, [bin('oxfmt'), '--check', '.']),
    step('types', node, [bin('tsc'), '--noEmit']),
    step('types of tests', node, [bin('tsc'), '--noEmit', '--project', 'tests']),
    step('lint', node, [bin('oxlint'), '--type-aware', '--deny-warnings']),
  ].map((result) => result.then(show)),
)
// After the others: a busy machine makes tests slow, and the runner's summary belongs at the end.
const unit = await step('unit', node, runnerArguments('unit', filesOf('unit')), true)
results.push(unit)
console.log(results.map(line).join('\n'))
const failed = results.filter((result) => !result.ok).map((result) => result.name)
if (failed.length > 0) console.error(`check failed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0
