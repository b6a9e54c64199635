/** `record.ts [script…]`: writes what docker with a real dockerd (GANTRY_TEST_DOCKERD: its address) answers into the scripts. */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isStep, parseScript, printScript, type Part } from './script.ts'
import { scriptNames, scripts } from './scripts.ts'
import { CorpusSession } from './session.ts'

const host = process.env['GANTRY_TEST_DOCKERD']
if (host === undefined) throw new Error('GANTRY_TEST_DOCKERD names no address of a docker daemon')
const chosen = process.argv.slice(2).map((name) => basename(name, '.txt'))
for (const name of chosen.length > 0 ? chosen : scriptNames()) {
  const file = join(scripts, `${name}.txt`)
  using session = new CorpusSession({ client: 'docker', host })
  await session.loadBase()
  const parts: Part[] = []
  for (const part of parseScript(readFileSync(file, 'utf8'), file))
    parts.push(isStep(part) ? { ...part, answer: await session.run(part.command) } : part)
  writeFileSync(file, printScript(parts))
  console.log(name)
}
