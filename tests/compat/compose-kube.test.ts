import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { assertValid } from '../../src/compose/kube/testing.ts'
import type { Manifest } from '../../src/compose/kube/translation.ts'
import { allCases, writeCase, type Case } from './compose-corpus/cases.ts'
import { runOwn } from './compose-corpus/run.ts'

/** The same project for another command: what stands before `config` are the flags of compose itself. */
function withCommand(one: Case, ...words: string[]): Case {
  return { ...one, run: [...one.run.slice(0, one.run.indexOf('config')), ...words] }
}

suite('Compose files that can be loaded become valid objects of Kubernetes, and drawings', () => {
  const root = mkdtempSync(join(tmpdir(), 'compose-kube-'))
  after(() => rmSync(root, { recursive: true }))
  const cases = allCases().filter(({ run }) => run.includes('config'))
  for (const group of new Set(cases.map((one) => one.group)))
    test(group, async () => {
      for (const one of cases.filter((each) => each.group === group)) {
        const own = writeCase(one, root)
        const loaded = await runOwn(withCommand(one, 'config', '--quiet'), own)
        if (loaded.fault !== '') continue
        for (const format of ['text', 'svg', 'mermaid', 'dot', 'json']) {
          const drawn = await runOwn(withCommand(one, 'graph', '--format', format), own)
          assert.equal(drawn.fault, '', `${one.name}: ${format}`)
        }
        const { out, fault } = await runOwn(withCommand(one, 'kube', '--no-image'), own)
        // Files of services and of secrets have to be there only now.
        if (/env file .* not found|cannot be read|is not set/.test(fault)) continue
        assert.equal(fault, '', one.name)
        for (const document of parseAllDocuments(out)) {
          assert.deepEqual(document.errors, [], one.name)
          const manifest = document.toJS() as Manifest // its schema is asked next
          if (manifest !== null)
            await assertValid(manifest).catch((error: unknown) => {
              throw new Error(`${one.name}: ${JSON.stringify(manifest)}`, { cause: error })
            })
        }
      }
    })
})
