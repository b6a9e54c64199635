import { alsoNative, emulatedMachines, machines } from '../../host/binfmt.ts'
import { EngineError } from '../../lib/errors.ts'

/** Throws kind `unsupported` when programs for `os/architecture` do not run here: neither the processor nor binfmt_misc does it. */
export function assertRunnable(platform: string, o: { host: string; dir?: string }): void {
  const architecture = platform.split('/')[1] ?? ''
  if (architecture === o.host || alsoNative[o.host] === architecture) return
  if (emulatedMachines(o.dir).has(machines[architecture] ?? -1)) return
  throw new EngineError(
    'unsupported',
    `RUN for ${platform} is not possible on linux/${o.host}: no emulator is registered in binfmt_misc (with flag F, so that it is found in containers)`,
  )
}
