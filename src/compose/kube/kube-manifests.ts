/**
 * A project as objects of Kubernetes: what it is made of first (configs, secrets, claims), then who may reach whom, then the
 * workloads. What has no counterpart is noted with its place.
 */
import type { Project } from '../model/project-model.ts'
import { addClaims } from './claims.ts'
import { addFileObjects } from './file-objects.ts'
import { addNetworkPolicies } from './network-policies.ts'
import { addServices } from './ports.ts'
import { Translation, type KubeOptions, type Manifest, type Note } from './translation.ts'
import { noteUntranslated } from './untranslated.ts'
import { addWaitAccount } from './waits.ts'
import { isJob } from './workload-kind.ts'
import { addWorkload } from './workloads.ts'

/** Kinds in the order in which they are needed. */
const kinds = [
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'Secret',
  'ConfigMap',
  'PersistentVolumeClaim',
  'NetworkPolicy',
  'Service',
]

/** Notes are in the order of the files. Throws ComposeError for a secret or config that is not to be had. */
export function kubeManifests(
  project: Project,
  options: KubeOptions,
): { manifests: Manifest[]; notes: Note[] } {
  const t = new Translation(project, options)
  addFileObjects(t)
  addClaims(t)
  addWaitAccount(t)
  addNetworkPolicies(t)
  for (const [name, service] of [...project.services].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    noteUntranslated(t, name, service)
    // A job that listens on nothing needs no name.
    if (!isJob(project, name, service) || service.ports.length > 0) addServices(t, name, service)
    addWorkload(t, name, service)
  }
  const rank = ({ kind }: Manifest) => (kinds.includes(kind) ? kinds.indexOf(kind) : kinds.length)
  return {
    manifests: uniqueNames(t.manifests).toSorted((a, b) => rank(a) - rank(b)),
    notes: t.notes.toSorted(
      (a, b) => (a.at.file < b.at.file ? -1 : a.at.file > b.at.file ? 1 : 0) || a.at.line - b.at.line,
    ),
  }
}

/** The same file mounted twice is one ConfigMap. */
function uniqueNames(manifests: readonly Manifest[]): Manifest[] {
  return [...new Map(manifests.map((each) => [`${each.kind}/${each.metadata.name}`, each])).values()]
}
