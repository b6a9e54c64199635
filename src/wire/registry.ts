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
