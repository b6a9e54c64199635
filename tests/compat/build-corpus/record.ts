/**
 * `record.ts [case…]`: writes what real BuildKit makes of the cases into `expected/`. GANTRY_CORPUS_BUILDKIT is the socket of
 * a dockerd with BuildKit 0.13 or newer. Cases marked `ours:` are left as they stand.
 */
import { allCases } from './cases.ts'
import { buildCase, buildKit, loadBase } from './builders.ts'
import { readExpected, writeExpected } from './expected.ts'

const socket = process.env['GANTRY_CORPUS_BUILDKIT']
if (socket === undefined) throw new Error('GANTRY_CORPUS_BUILDKIT names no socket of a docker daemon')
const config = process.env['DOCKER_CONFIG']
const builder = buildKit(socket, config === undefined ? {} : { DOCKER_CONFIG: config })
const chosen = process.argv.slice(2)
const base = await loadBase(builder)
const cases = allCases()
for (const group of new Set(cases.map((one) => one.group))) {
  const known = readExpected(group)
  const next = new Map<string, string>()
  for (const one of cases.filter((other) => other.group === group)) {
    const old = known.get(one.name)
    if (one.ours !== undefined || (chosen.length > 0 && !chosen.includes(one.name) && old !== undefined)) {
      if (old !== undefined) next.set(one.name, old)
      else console.log(`${one.name}: nothing recorded yet`)
      continue
    }
    let lines: string
    try {
      lines = (await buildCase(builder, one, base)).lines
    } catch (error) {
      console.log(`${one.name}: ${String(error)}`)
      process.exitCode = 1
      continue
    }
    if (lines !== old) console.log(`${one.name}: ${old === undefined ? 'new' : 'changed'}`)
    next.set(one.name, lines)
  }
  writeExpected(group, next)
}
