/**
 * What `compose create` asks the engine for is what docker compose asks for: projects as people have them (`stacks.txt`), against
 * what was recorded of docker compose 2.40; with one at hand (GANTRY_CORPUS_COMPOSE) the whole corpus, hashes included.
 * GANTRY_CORPUS_RECORD=1 writes `expected/stacks.bodies.json` again.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { root as checkout } from '../system/harness.ts'
import { createdBy, type Bodies } from './compose-corpus/bodies.ts'
import { allCases, folder, writeCase } from './compose-corpus/cases.ts'
import { RecordingEngine } from './recording-engine.ts'

const live = process.env['GANTRY_CORPUS_COMPOSE']
const record = process.env['GANTRY_CORPUS_RECORD'] === '1'
const path = join(folder, 'expected', 'stacks.bodies.json')

/** By case, or case and what is made: why Gantry asks for something else. */
const meant: Readonly<Record<string, string>> = {
  'nextcloud /containers/create nextcloud-app-1': 'a secret with a mode is written into the container',
  'storage /containers/create storage-all-1': '`other:ro` of volumes_from stays read-only',
  'implied-dependencies /containers/create implied-dependencies-a-1': 'and so does this',
  'merge-ipam /networks/create merge-ipam_n': 'docker compose loses pools of addresses',
}

suite('Compose asks the engine for what docker compose asks for', () => {
  const root = mkdtempSync(join(tmpdir(), 'compose-bodies-'))
  const engine = new RecordingEngine(join(root, 's'))
  after(async () => {
    await engine[Symbol.asyncDispose]()
    rmSync(root, { recursive: true })
  })
  const recorded = record ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Record<string, Bodies>)
  const loaded = allCases().filter(({ run }) => run.includes('config'))
  for (const one of loaded.filter(({ group }) => live !== undefined || group === 'stacks'))
    test(`${one.group}: ${one.name}: ${one.title}`, async () => {
      const own = writeCase(one, root)
      const place = { one, own, engine }
      const docker = live === undefined ? undefined : await createdBy([live], place)
      const found = await createdBy([join(checkout, 'bin/gantry'), 'compose'], place)
      if (one.group === 'stacks') {
        if (record && docker) recorded[one.name] = withoutHashes(docker.bodies)
        assert.equal(found.fault, '')
        assertSame(one.name, withoutHashes(found.bodies), recorded[one.name] ?? {})
      }
      // The corpus has files whose values no engine takes: Gantry sees that before it makes anything.
      if (docker?.fault === '' && found.fault === '') assertSame(one.name, found.bodies, docker.bodies)
    })
  if (record) after(() => writeFileSync(path, `${JSON.stringify(recorded, null, 1)}\n`))
})

function assertSame(name: string, found: Bodies, expected: Bodies): void {
  assert.deepEqual(Object.keys(found), Object.keys(expected), name)
  for (const [key, body] of Object.entries(found))
    if (meant[`${name} ${key}`] === undefined) assert.deepEqual(body, expected[key], `${name} ${key}`)
}

/** They tell the folder, too. */
function withoutHashes(all: Bodies): Bodies {
  return Object.fromEntries(
    Object.entries(all).map(([key, body]) => [
      key,
      Object.fromEntries(Object.entries(body).filter(([path]) => !path.endsWith('.config-hash'))),
    ]),
  )
}
