import { registryOptions } from '../wire/registry-options.ts'
import type { FlagTable } from './flags.ts'

/** Flags of the registry's own process; `gantry registry serve` hands them on. */
export const registryFlags: FlagTable = {
  program: 'gantry registry serve',
  options: registryOptions.map(({ name, type }) => ({ flag: name, type })),
  unsupported: () => undefined,
}
