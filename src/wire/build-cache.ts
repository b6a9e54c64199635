/** One thing that the build cache keeps, as in `GET /system/df`. */
export interface BuildCacheInfo {
  ID: string
  Parents?: readonly string[] | null
  /** `regular`, `exec.cachemount`, `source.local`, … */
  Type: string
  Description: string
  InUse: boolean
  /** An image has its bytes too. */
  Shared: boolean
  Size: number
  CreatedAt: string
  LastUsedAt?: string | null
  UsageCount: number
}

/** A directory of `RUN --mount=type=cache`: `GET /gantry/build/caches`. */
export interface CacheMountInfo extends BuildCacheInfo {
  /** As Dockerfiles call it; several caches may have one. */
  MountID: string
}

/** What `POST /build/prune` takes, in bytes. */
export interface BuildCacheLimits {
  reservedSpace?: number | undefined
  maxUsedSpace?: number | undefined
  minFreeSpace?: number | undefined
}
