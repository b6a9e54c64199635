/** Image types of the Docker Engine API 1.51. */
import type { ImageConfig } from './container.ts'
import type { Platform } from './registry.ts'

export interface ImageSummary {
  Id: string
  ParentId: string
  RepoTags: string[]
  RepoDigests: string[]
  /** Unix seconds. */
  Created: number
  Size: number
  SharedSize: number
  Labels: Record<string, string> | null
  Containers: number
  /** With `manifests=1`. */
  Descriptor?: ManifestDescriptor
  Manifests?: ImageManifestSummary[]
}

/** OCI's descriptor. */
export interface ManifestDescriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, string>
  platform?: Platform
}

/** A manifest that an image's name leads to. Sizes are bytes. */
export interface ImageManifestSummary {
  ID: string
  Descriptor: ManifestDescriptor
  /** All that it is made of is here. */
  Available: boolean
  /** `Content`: blobs that are here; `Total`: with what is unpacked of them. */
  Size: { Content: number; Total: number }
  Kind: 'image' | 'attestation' | 'unknown'
  ImageData?: { Platform: Platform; Containers: string[]; Size: { Unpacked: number } }
  AttestationData?: { For: string }
}

export interface ImageInspect {
  Id: string
  RepoTags: string[]
  RepoDigests: string[]
  Parent: string
  Comment: string
  Created?: string
  Author: string
  Config: ImageConfig
  Architecture: string
  Variant?: string
  Os: string
  Size: number
  GraphDriver: { Name: string; Data: Record<string, string> }
  RootFS: { Type: 'layers'; Layers: string[] }
  Metadata: { LastTagTime: string }
  /** With `manifests=1`. */
  Descriptor?: ManifestDescriptor
  Manifests?: ImageManifestSummary[]
}

export interface ImageHistoryItem {
  Id: string
  /** Unix seconds. */
  Created: number
  CreatedBy: string
  Tags: string[] | null
  Size: number
  Comment: string
}

export interface ImageDeleteItem {
  Untagged?: string
  Deleted?: string
}

/** One line of the JSON streams of build, pull, push, load and import. */
export interface ProgressMessage {
  stream?: string
  status?: string
  id?: string
  progress?: string
  progressDetail?: { current?: number; total?: number }
  error?: string
  errorDetail?: { code?: number; message: string }
  aux?: unknown
}
