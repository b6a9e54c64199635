import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAttestations } from './attestations.ts'

const parse = (attest: string[], sbom: string[] = [], provenance: string[] = []) =>
  parseAttestations({ attest, sbom, provenance }).attestations

test('attestations by their flags and shorthands', () => {
  assert.deepEqual(parse(['type=sbom', 'type=provenance,mode=max']), { sbom: true, provenance: 'max' })
  assert.deepEqual(parse([], ['true'], ['mode=max']), { sbom: true, provenance: 'max' })
  assert.deepEqual(parse([], [], ['true']), { provenance: 'min' })
  assert.equal(parse(['type=sbom'], ['false'], ['false']), undefined)
})

test('what attestations cannot be is said', () => {
  assert.throws(() => parse([], ['generator=x/y']), /attestation sbom: generator is not supported/)
  assert.throws(() => parse([], [], ['mode=some']), /invalid provenance mode "some"/)
  assert.throws(() => parse(['type=other']), /attestations of type "other" are not supported/)
})
