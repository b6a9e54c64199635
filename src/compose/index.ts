/**
 * Compose files: found, read, put over each other and brought to one model, by the rules of the Compose specification and,
 * where that leaves something open, of docker compose. Every value knows the line it came from; every fault names it.
 *
 * The way: text → tree with places (`yaml/`) → variables → `extends` → `include` → merge → schema → long forms (`forms/`) →
 * defaults, paths → normal form → model (`model/`). Nothing here talks to the engine.
 */
export { ComposeError, get, type Node, type Place } from './node.ts'
export { findProject, type ProjectFlags } from './project-files.ts'
export { loadModel, loadProject, type ProjectSource } from './load-project.ts'
export { checkContainerNames } from './consistency.ts'
export { inDependencyOrder, withServices, withUsedResources } from './selection.ts'
export { serviceHash } from './service-hash.ts'
export { variablesIn } from './variables.ts'
export { writeProject, writeTree } from './write-project.ts'
export type { LoadOptions } from './scope.ts'
export type { Project } from './model/project-model.ts'
export type { Service } from './model/service-model.ts'
