import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { missing, system, type ClientName } from '../../system/harness.ts'
import { expected, isStep, parseScript, printAnswer } from './script.ts'
import { scriptNames, scripts } from './scripts.ts'
import { CorpusSession } from './session.ts'

/** Every script, through this client at a daemon of ours: it answers what docker and dockerd answered when they were recorded. */
export function clientCorpus(client: ClientName, names: readonly string[] = scriptNames()): void {
  // Our own client meets all of the daemon, too: the stock one is tried where the answers can be recorded.
  const unasked =
    client === 'docker' &&
    process.env['GANTRY_TEST_DOCKERD'] === undefined &&
    'GANTRY_TEST_DOCKERD is not set'
  const skip = unasked || missing(client, { docker: 28 })
  suite(`what docker answers, ${client} does`, { skip }, () => {
    const s = system(client)
    for (const name of names)
      test(name, async () => {
        const file = join(scripts, `${name}.txt`)
        using session = new CorpusSession({ client, host: `unix://${s.daemon.socket}` })
        await session.loadBase()
        const wrong: string[] = []
        for (const step of parseScript(readFileSync(file, 'utf8'), file).filter(isStep)) {
          const answer = printAnswer(await session.run(step.command))
          const wanted = printAnswer(expected(step, client))
          if (answer.join('\n') === wanted.join('\n')) continue
          wrong.push(
            [
              `$ ${step.command}`,
              ...wanted.filter((line) => !answer.includes(line)).map((line) => `- ${line}`),
              ...answer.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`),
            ].join('\n'),
          )
        }
        if (wrong.length > 0) assert.fail(`${wrong.length} answers differ\n${wrong.join('\n')}`)
      })
  })
}
