import type { Context } from './command.ts'

/** Whether the engine has what is Gantry's own, besides Docker's API. */
export async function isGantry(context: Context): Promise<boolean> {
  return (await context.client.system.version()).Platform?.Name?.startsWith('Gantry') ?? false
}
