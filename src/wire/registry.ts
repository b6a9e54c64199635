/** Registry types of the Docker Engine API. */

/** Who asks a registry: the body of `POST /auth`, and (base64url of its JSON) the header `X-Registry-Auth`. */
export interface AuthConfig {
  username?: string
  password?: string
  /** Address of the registry that it is for. */
  serveraddress?: string
  /** Given at login in place of a password; buys access tokens. */
  identitytoken?: string
  /** A bearer token to be sent as it is. */
  registrytoken?: string
}

export interface AuthResponse {
  Status: string
  IdentityToken: string
}

export interface Platform {
  os: string
  architecture: string
  variant?: string
}

/** `GET /distribution/{name}/json`. */
export interface DistributionInspect {
  Descriptor: { mediaType: string; digest: string; size: number }
  Platforms: Platform[]
}

/** `GET /images/search`. */
export interface SearchResult {
  name: string
  description: string
  star_count: number
  is_official: boolean
  is_automated: boolean
}

/** `GET /gantry/manifest`: a manifest as its registry keeps it. */
export interface RemoteManifest {
  mediaType: string
  digest: string
  size: number
  /** Of an image; indexes tell of each of theirs. */
  platform?: Platform
  /** Base64 of its bytes. */
  raw: string
}

/** `POST /gantry/manifest`: a manifest for a name. */
export interface ManifestUpload {
  mediaType: string
  /** Base64. */
  raw: string
  /** References in whose repositories the manifests and blobs are that it leads to. */
  sources: string[]
}
