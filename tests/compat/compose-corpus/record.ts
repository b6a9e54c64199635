/** Writes `expected/` again: what the docker compose of GANTRY_CORPUS_COMPOSE prints, and what Gantry refuses. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allCases, writeCase } from './cases.ts'
import { writeExpected, type Expected } from './expected.ts'
import { runDocker, runOwn } from './run.ts'

const binary = process.env['GANTRY_CORPUS_COMPOSE']
if (binary === undefined) throw new Error('GANTRY_CORPUS_COMPOSE: the path of the docker-compose plugin')

const root = mkdtempSync(join(tmpdir(), 'compose-corpus-'))
const groups = new Map<string, Map<string, Expected>>()
for (const one of allCases()) {
  const own = writeCase(one, root)
  const docker = runDocker(one, own, binary)
  const gantry = await runOwn(one, own)
  const group = groups.get(one.group) ?? new Map<string, Expected>()
  const out = one.ours === undefined ? docker.out : gantry.out
  groups.set(one.group, group.set(one.name, { out, docker: docker.fault, fault: gantry.fault }))
}
rmSync(root, { recursive: true })
for (const [group, all] of groups) writeExpected(group, all)
