import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { allCases, writeCase } from './compose-corpus/cases.ts'
import { readExpected } from './compose-corpus/expected.ts'
import { runDocker, runOwn } from './compose-corpus/run.ts'

/** A docker-compose plugin: then each case is put before it as well, and compared without what is recorded. */
const live = process.env['GANTRY_CORPUS_COMPOSE']

suite('the corpus: what docker compose makes of Compose files, Gantry makes of them', () => {
  const root = mkdtempSync(join(tmpdir(), 'compose-corpus-'))
  after(() => rmSync(root, { recursive: true }))
  const cases = allCases()
  for (const group of new Set(cases.map((one) => one.group))) {
    const expected = readExpected(group)
    const members = cases.filter((one) => one.group === group)
    test(`${group}: no expectation without its case`, () => {
      const names = new Set(members.map(({ name }) => name))
      assert.deepEqual(
        [...expected.keys()].filter((name) => !names.has(name)),
        [],
      )
    })
    for (const one of members)
      test(`${group}: ${one.name}: ${one.title}`, async () => {
        const own = writeCase(one, root)
        const found = await runOwn(one, own)
        const recorded = expected.get(one.name)
        assert.ok(recorded, 'not recorded: see compose-corpus/README.md')
        assert.equal(found.out, recorded.out)
        assert.equal(found.fault.trimEnd(), recorded.fault)
        if (live === undefined || one.ours !== undefined) return
        const docker = runDocker(one, own, live)
        assert.equal(found.out, docker.out)
        assert.equal(found.fault === '', docker.fault === '', docker.fault)
      })
  }
})
