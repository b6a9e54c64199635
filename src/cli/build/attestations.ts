import { EngineError } from '../../lib/errors.ts'
import type { BuildQuery } from '../../wire/build.ts'
import { splitCsv } from '../run-values.ts'

type Attestations = NonNullable<BuildQuery['attestations']>

/** `--attest`, `--sbom` and `--provenance`, whose later words count. */
export function parseAttestations(flags: {
  attest: readonly string[]
  sbom: readonly string[]
  provenance: readonly string[]
}): { attestations?: Attestations } {
  const all = [
    ...flags.attest,
    ...flags.sbom.map((value) => `type=sbom,${shorthand(value)}`),
    ...flags.provenance.map((value) => `type=provenance,${shorthand(value)}`),
  ]
  const wanted: Attestations = {}
  for (const text of all) {
    const { type = '', disabled = 'false', ...attrs } = Object.fromEntries(splitCsv(text).map(pairOf))
    const on = !['true', '1'].includes(disabled)
    if (type === 'sbom') {
      refuseRest(type, attrs)
      delete wanted.sbom
      if (on) wanted.sbom = true
    } else if (type === 'provenance') {
      const { mode = 'min', ...rest } = attrs
      refuseRest(type, rest)
      if (mode !== 'min' && mode !== 'max')
        throw new EngineError(
          'invalid',
          `invalid provenance mode ${JSON.stringify(mode)}: there are min and max`,
        )
      delete wanted.provenance
      if (on) wanted.provenance = mode
    } else
      throw new EngineError('unsupported', `attestations of type ${JSON.stringify(type)} are not supported`)
  }
  return Object.keys(wanted).length > 0 ? { attestations: wanted } : {}
}

function shorthand(value: string): string {
  if (['true', '1', 't'].includes(value.toLowerCase())) return 'disabled=false'
  return ['false', '0', 'f'].includes(value.toLowerCase()) ? 'disabled=true' : value
}

function pairOf(field: string): [string, string] {
  const equals = field.indexOf('=')
  if (equals < 0) throw new EngineError('invalid', `invalid value ${field}`)
  return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)]
}

function refuseRest(type: string, rest: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(rest))
    throw new EngineError('unsupported', `attestation ${type}: ${name} is not supported`)
}
