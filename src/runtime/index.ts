/**
 * Processes in containers: a config.json for the OCI runtime (crun or runc), conmon that holds the process's stdio, log and exit
 * code, and the streams between them and clients. A container runs on without the daemon; a restarted daemon finds
 * it by its bundle, its exit by the exit directory. Exec'd commands and build steps end with the daemon.
 *
 * created (conmon + runtime create) → started → exited (exit file) → deleted → exit forgotten.
 */
export type { AttachOptions, Attachment } from './attach.ts'
export { withCdiDevices } from './cdi/apply.ts'
export { requestedDevices } from './cdi/requests.ts'
export { defaultCdiDirectories } from './cdi/spec-files.ts'
export { checkHostConfig } from './check-host-config.ts'
export type { ExecOptions, ExecProcess } from './exec.ts'
export type { ExitReport } from './exits.ts'
export { hostFacts, type HostFacts } from './host-facts.ts'
export {
  checkLogConfig,
  isReadable,
  limitsOf,
  logDrivers,
  pattern,
  syslogOf,
  type LogConfigOptions,
  type LogDriver,
} from './log/drivers.ts'
export { journalSocket } from './log/journald.ts'
export { openLog, type LogOptions } from './log/reader.ts'
export type { LogCopy, LogSetup } from './log/setup.ts'
export type { OciMount, OciProcess, OciSpec } from './oci-spec.ts'
export { Runtime, type CreateOptions, type RuntimeState } from './runtime.ts'
export type { StepOptions } from './run-step.ts'
export {
  buildSpec,
  execProcess,
  maskedPaths,
  readonlyPaths,
  type NamespaceChoice,
  type SpecInput,
} from './spec.ts'
export { RelayStream } from './relay-stream.ts'
export { RuntimeStartError } from './start-error.ts'
export { resolveUser, type ResolvedUser } from './user.ts'
