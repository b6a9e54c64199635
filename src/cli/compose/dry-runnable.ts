import type { Command } from '../command.ts'
import { inDryRun } from '../commands/compose.ts'
import { bool } from '../flags.ts'

/** Docker compose: every command takes `--dry-run`, and works with a client that changes nothing then. */
export function dryRunnable(definition: Command): Command {
  return {
    ...definition,
    flags: { ...definition.flags, 'dry-run': bool('Execute command in dry run mode') },
    run: async (context, values, parameters, given) =>
      definition.run(values['dry-run'] ? await inDryRun(context) : context, values, parameters, given),
  }
}
