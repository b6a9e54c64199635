/** What is gathered while a project becomes manifests: the objects, and what could not be said. */
import type { IDaemonSet, IDeployment, IStatefulSet } from 'kubernetes-models/apps/v1'
import type { IJob } from 'kubernetes-models/batch/v1'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import type { IRole, IRoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1'
import type {
  IConfigMap,
  IPersistentVolumeClaim,
  ISecret,
  IService,
  IServiceAccount,
} from 'kubernetes-models/v1'
import type { ImageConfig } from '../../wire/container.ts'
import type { Project, Service } from '../model/project-model.ts'
import { deepestPlace, type Path, type Place } from '../node.ts'
import { kubeName } from './kube-name.ts'

export type Manifest = (
  | IConfigMap
  | IDaemonSet
  | IDeployment
  | IJob
  | INetworkPolicy
  | IPersistentVolumeClaim
  | IRole
  | IRoleBinding
  | ISecret
  | IService
  | IServiceAccount
  | IStatefulSet
) & { readonly metadata: Metadata }

export interface Note {
  /** `lost`: Kubernetes has no word for it, and what the file asks for is not done. `hint`: it is done, but look here. */
  readonly kind: 'lost' | 'hint'
  readonly at: Place
  /** `services.web.ulimits`. */
  readonly path: string
  readonly why: string
}

export interface KubeOptions {
  /** Empty: whatever namespace they are applied to. */
  readonly namespace: string
  /** Of every volume: `1Gi`. */
  readonly volumeSize: string
  /** What the images of services say, where that is known. */
  readonly images: ReadonlyMap<string, ImageConfig>
}

export interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly labels: Record<string, string>
  readonly annotations?: Record<string, string>
}

export class Translation {
  readonly project: Project
  readonly options: KubeOptions
  readonly manifests: Manifest[] = []
  readonly notes: Note[] = []
  readonly #names = new Map<string, string>()

  constructor(project: Project, options: KubeOptions) {
    this.project = project
    this.options = options
    for (const name of project.services.keys()) {
      const own = kubeName(name)
      const taken = [...this.#names.values()].includes(own)
      this.#names.set(name, taken ? kubeName(`${own}-${this.#names.size}`) : own)
      if (own !== name || taken)
        this.hint(
          ['services', name],
          `Kubernetes allows no such name: others find it as ${this.nameOf(name)}`,
        )
    }
  }

  /** Of the service's objects, and in the cluster's DNS. */
  nameOf(service: string): string {
    return this.#names.get(service) ?? kubeName(service)
  }

  service(name: string): Service | undefined {
    return this.project.services.get(name)
  }

  lost(path: Path, why: string): void {
    this.#note('lost', path, why)
  }

  hint(path: Path, why: string): void {
    this.#note('hint', path, why)
  }

  #note(kind: Note['kind'], path: Path, why: string): void {
    this.notes.push({ kind, at: deepestPlace(this.project.tree, path), path: path.join('.'), why })
  }

  add(manifest: Manifest): void {
    this.manifests.push(manifest)
  }

  /** `service`: whose object it is; without one it belongs to the project. */
  metadata(name: string, service?: string, annotations: ReadonlyMap<string, string> = new Map()): Metadata {
    const { namespace } = this.options
    return {
      name,
      ...(namespace !== '' && { namespace }),
      labels: {
        ...(service !== undefined && this.selector(service)),
        'app.kubernetes.io/part-of': kubeName(this.project.name),
      },
      ...(annotations.size > 0 && { annotations: Object.fromEntries(annotations) }),
    }
  }

  /** Labels may say anything in Compose: that is what annotations are for. */
  annotations(path: Path, labels: ReadonlyMap<string, string>): Map<string, string> {
    return new Map(
      [...labels].filter(([key]) => {
        const fits = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[a-z0-9](?:[-\w.]{0,61}[a-z0-9])?$/i.test(
          key,
        )
        if (!fits) this.lost([...path, key], 'Kubernetes allows no such name of an annotation')
        return fits
      }),
    )
  }

  /** By which a Service finds the pods of a service. */
  selector(service: string): Record<string, string> {
    return { 'app.kubernetes.io/name': this.nameOf(service) }
  }
}
