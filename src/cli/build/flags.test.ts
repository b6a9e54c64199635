import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parseFlags } from '../flags.ts'
import { flags, optionsOf, refuse, refusedFlags } from './flags.ts'

const parse = (...argv: string[]) => {
  const { values, given } = parseFlags(flags, argv, { interspersed: true })
  const options = optionsOf(values)
  refuse(options, given, values)
  return options
}

test('docs/compat.md lists the refused flags with the reasons that people are told', async () => {
  const page = await readFile(new URL('../../../docs/compat.md', import.meta.url), 'utf8')
  const section = page.split(/^## /m).find((part) => part.startsWith('Flags of build')) ?? ''
  const rows = [...section.matchAll(/^\| `--([\w-]+)` \| (.*) \|$/gm)].map(([, name, why]) => [name, why])
  assert.deepEqual(Object.fromEntries(rows), refusedFlags)
})

test('refused flags say why; what asks for the usual is taken', () => {
  for (const [name, why] of Object.entries(refusedFlags))
    assert.throws(() => parse(`--${name}=true`), { kind: 'unsupported', message: `--${name}: ${why}` })
  parse('--isolation=default', '--squash=false')
})

test('attestations are switches that take a value', () => {
  const options = parse('--sbom', '--provenance=mode=max', '--provenance')
  assert.deepEqual(options.sbom, ['true'])
  assert.deepEqual(options.provenance, ['mode=max', 'true'])
})
