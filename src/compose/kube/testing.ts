/** Projects for tests of manifests, and Kubernetes' own schemas to hold them to. */
import { ok } from 'node:assert/strict'
import type { ImageConfig } from '../../wire/container.ts'
import { projectOf } from '../testing.ts'
import { kubeManifests } from './kube-manifests.ts'
import type { Manifest, Note } from './translation.ts'

export function translated(
  text: string,
  o: { folder?: string; environment?: Record<string, string>; images?: Record<string, ImageConfig> } = {},
): { manifests: Manifest[]; notes: Note[] } {
  const { images: given = {}, ...from } = o
  const project = projectOf(text, { ...from, envResolution: true })
  const images = new Map(Object.entries(given))
  return kubeManifests(project, { namespace: '', volumeSize: '1Gi', images })
}

export function one<K extends Manifest['kind']>(
  manifests: readonly Manifest[],
  kind: K,
  name: string,
): Extract<Manifest, { kind: K }> {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name)
  ok(found, `${kind} ${name} in ${manifests.map((each) => `${each.kind} ${each.metadata.name}`).join(', ')}`)
  return found as Extract<Manifest, { kind: K }> // its kind was compared
}

interface Model {
  validate(): void
}

/** Throws what the schema of the object's kind has against it. */
export async function assertValid(manifest: Manifest): Promise<void> {
  const group = manifest.apiVersion === 'v1' ? 'v1' : manifest.apiVersion
  const models = (await import(`kubernetes-models/${group}`)) as Record<string, new (data: object) => Model> // as its index says
  const model = models[manifest.kind]
  ok(model, `${manifest.apiVersion} ${manifest.kind} is no kind of Kubernetes`)
  new model(manifest).validate()
}
