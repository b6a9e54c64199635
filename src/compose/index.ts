/**
 * Compose files: found, read, put over each other and brought to one model, by the rules of the Compose specification and,
 * where that leaves something open, of docker compose. Every value knows the line it came from; every fault names it.
 *
 * The way: text → tree with places (`yaml/`) → variables → `extends` → `include` → merge → schema → long forms (`forms/`) →
 * defaults, paths → normal form → model (`model/`).
 *
 * Running projects: containers, networks and volumes carry docker compose's labels (`labels.ts`), by which they are found again
 * (`observe.ts`) with or without files. Services start and stop in parallel along their dependencies (`service-graph.ts`).
 */
export { ComposeError, get, type Node, type Place } from './node.ts'
export { findProject, type ProjectFlags } from './project-files.ts'
export { loadModel, loadProject, type ProjectSource } from './load-project.ts'
export { checkContainerNames } from './consistency.ts'
export { inDependencyOrder, withServices, withUsedResources } from './selection.ts'
export { serviceHash } from './service-hash.ts'
export { variablesIn } from './variables.ts'
export { writeImages, writeProject, writeTree } from './write-project.ts'
export {
  composeVersion,
  configLabel,
  identityLabels,
  label,
  resourceLabels,
  type Dependency,
} from './labels.ts'
export {
  observe,
  observeContainers,
  sharedContainer,
  type ContainerScope,
  type Observed,
  type ObservedContainer,
} from './observe.ts'
export {
  alongGraph,
  closure,
  dependentsOf,
  graphOfContainers,
  graphOfServices,
  within,
  type ServiceGraph,
} from './service-graph.ts'
export { reported, type ProgressEvent, type Report } from './report.ts'
export { RemoteNeeded, isRemoteFile, type RemoteFiles } from './remote/remote-file.ts'
export { applicationFiles, type ApplicationFile } from './publish/application-files.ts'
export { publishApplication, type PublishOptions } from './publish/publish-application.ts'
export { checkPublishable, publishQuestions } from './publish/publish-checks.ts'
export { fetchRemote } from './remote/fetch-remote.ts'
export { dryRunClient } from './dry-run/dry-run-client.ts'
export { Limit } from './limit.ts'
export { imageOf } from './image-name.ts'
export { isOrphan, plan, isConverged, type Plan, type PlanOptions, type Recreate } from './plan/plan.ts'
export type { ContainerStep } from './plan/plan-services.ts'
export type { NetworkStep, VolumeStep } from './plan/plan-resources.ts'
export { apply, type ApplyOptions } from './apply/apply.ts'
export { dependencyReady, startServices, type Startable } from './apply/start-services.ts'
export {
  removeContainer,
  restartContainer,
  stopAndRemove,
  stopContainer,
  gone,
} from './apply/stop-containers.ts'
export { createContainer, type Made } from './apply/create-container.ts'
export { waitFor } from './apply/conditions.ts'
export { takeDown, type DownOptions } from './apply/take-down.ts'
export { runHooks } from './apply/hooks.ts'
export type { Work } from './apply/work.ts'
export { containerBody, type BodyOptions } from './desired/container-body.ts'
export { checkSupported } from './desired/supported.ts'
export { checkRunnable } from './preflight/check-runnable.ts'
export { containerName, scaleOf } from './desired/names.ts'
export { followProject } from './logs/follow-project.ts'
export { LogFollower, type LogContainer, type LogRange } from './logs/log-follower.ts'
export { logLines, type LogLine } from './logs/log-lines.ts'
export { mergeLogs } from './logs/merge-logs.ts'
export { FileWatcher } from './watch/file-watcher.ts'
export {
  syncs,
  watchRules,
  workFor,
  type SyncPath,
  type WatchRule,
  type WatchWork,
} from './watch/watch-rules.ts'
export type { LoadOptions } from './scope.ts'
export type { Project } from './model/project-model.ts'
export type { Service } from './model/service-model.ts'
export { shownLine, shownPlace } from './node.ts'
export { serviceEnv, type EnvSource, type EnvVariable } from './env/service-env.ts'
export { maskSecrets } from './env/mask-secrets.ts'
export { projectGraph, type ProjectGraph } from './graph/project-graph.ts'
export { drawSvg } from './graph/draw-svg.ts'
export { drawTerminal } from './graph/draw-terminal.ts'
export { writeDot } from './graph/write-dot.ts'
export { writeMermaid } from './graph/write-mermaid.ts'
export { kubeManifests } from './kube/kube-manifests.ts'
export { writeManifest } from './kube/write-manifests.ts'
