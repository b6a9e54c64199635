/** What the daemon was told about registries. */
export interface RegistrySettings {
  /** Mirrors of Docker Hub, tried before it, in this order: URLs. */
  readonly mirrors: readonly string[]
  /** `host[:port]` or CIDR: may speak plain HTTP, or TLS with a certificate that nobody signed. Loopback always may. */
  readonly insecure: readonly string[]
  /** Folders in docker's `certs.d` layout; the first that has something for a host is used. */
  readonly certsDirs: readonly string[]
  readonly proxies: Proxies
  /** No socket is opened. */
  readonly offline: boolean
  /** How often a request, or a download that makes no progress, is tried. */
  readonly attempts: number
  /** Milliseconds before the second try, doubled for each further one, unless the registry says more. */
  readonly pauseMs: number
}

/** URLs, empty for none; `no` lists hosts that are reached directly. */
export interface Proxies {
  readonly http: string
  readonly https: string
  readonly no: string
}

export const defaultCertsDirs: readonly string[] = ['/etc/gantry/certs.d', '/etc/docker/certs.d']

export const plainSettings: RegistrySettings = {
  mirrors: [],
  insecure: [],
  certsDirs: defaultCertsDirs,
  proxies: { http: '', https: '', no: '' },
  offline: false,
  attempts: 5,
  pauseMs: 500,
}
