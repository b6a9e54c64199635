import type { ProgressMessage } from '../wire/image.ts'
import type {
  AuthConfig,
  AuthResponse,
  DistributionInspect,
  ManifestUpload,
  RemoteManifest,
  SearchResult,
  Platform,
} from '../wire/registry.ts'
import { authHeader, credentialsHeader } from './auth-headers.ts'
import { encodeFilters, type Filters } from './filters.ts'
import { encodePlatform, imagePath } from './images.ts'
import type { Transport } from './transport.ts'

type Credentials = Readonly<Record<string, AuthConfig>>

/** Calls that the daemon passes on to registries. Credentials go in a header, never in a URL. */
export class RegistryCalls {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  /** `tag`: a tag or a digest; absent: all tags. */
  pull(
    name: string,
    o: {
      tag?: string | undefined
      platform?: string | undefined
      auth?: AuthConfig | undefined
      signal?: AbortSignal
    },
  ): AsyncGenerator<ProgressMessage> {
    return this.#t.lines('POST', '/images/create', {
      query: { fromImage: name, tag: o.tag, platform: o.platform },
      headers: authHeader(o.auth),
      signal: o.signal,
    })
  }

  /** Without `tag` all tags. */
  push(
    name: string,
    o: { tag?: string | undefined; platform?: Platform | undefined; auth?: AuthConfig | undefined },
  ): AsyncGenerator<ProgressMessage> {
    // The API wants the header even from nobody.
    const headers = authHeader(o.auth ?? {})
    const query = { tag: o.tag, platform: encodePlatform(o.platform) }
    return this.#t.lines('POST', imagePath(name, '/push'), { query, headers })
  }

  login(auth: AuthConfig): Promise<AuthResponse> {
    return this.#t.json('POST', '/auth', { body: auth })
  }

  inspect(name: string, auth?: AuthConfig): Promise<DistributionInspect> {
    return this.#t.json('GET', `/distribution${imagePath(name, '/json').slice('/images'.length)}`, {
      headers: authHeader(auth),
    })
  }

  /** Credentials by address: a list of manifests may be of several registries. */
  /** `insecure`: registries are spoken to as if they were among the daemon's insecure ones. */
  manifest(name: string, credentials: Credentials, o: { insecure?: boolean } = {}): Promise<RemoteManifest> {
    return this.#t.json('GET', '/gantry/manifest', {
      query: { name, insecure: o.insecure || undefined },
      headers: credentialsHeader(credentials),
    })
  }

  putManifest(
    name: string,
    upload: ManifestUpload,
    o: { credentials: Credentials; insecure?: boolean },
  ): Promise<{ digest: string }> {
    return this.#t.json('POST', '/gantry/manifest', {
      query: { name, insecure: o.insecure || undefined },
      headers: credentialsHeader(o.credentials),
      body: upload,
    })
  }

  search(
    term: string,
    o: { limit?: number; filters?: Filters; auth?: AuthConfig | undefined },
  ): Promise<SearchResult[]> {
    return this.#t.json('GET', '/images/search', {
      query: { term, limit: o.limit || undefined, filters: encodeFilters(o.filters) },
      headers: authHeader(o.auth),
    })
  }
}
