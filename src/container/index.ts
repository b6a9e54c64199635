/**
 * Containers: an image's layers with a writable one on top, a network sandbox, and a process in the OCI runtime.
 * Life: created → running ⇄ paused → exited → running … → removing. One record in the database each, written under
 * the container's lock before anybody is told. A process outlives the daemon: conmon keeps its stdio, its log and its
 * exit code, and open() brings the records in line with what happened meanwhile.
 */
export { Containers } from './containers.ts'
export type { ExtractOptions, PathStat } from './archive.ts'
export { committedConfig, type CommitRequest } from './commit.ts'
export type { Container, ContainerPaths } from './container.ts'
export type { ContainerDefaults, Host as ContainerHost } from './host.ts'
export { decodeRecord as decodeContainer, type ContainerRecord, type MountRecord } from './record.ts'
export { endOf, isLive, isUp, type State } from './state.ts'
export type { Health } from './health.ts'
export type { Sample as ContainerSample, Stats as ContainerStats } from './stats.ts'
export type { ExecSession } from './exec.ts'
export { shownLogPath } from './logging.ts'
export { exposedPorts, portRequests, parsePort } from './ports.ts'
export type { WaitCondition } from './wait.ts'
