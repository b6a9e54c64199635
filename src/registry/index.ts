/**
 * Client of the OCI distribution API: manifests, blobs, tags and uploads of repositories at any registry, with docker's rules for
 * mirrors, insecure registries, certificates, proxies and credentials.
 *
 * Registries are untrusted: what they send has a bound, manifests are checked against the digest that was asked for, blobs
 * against their size (the digest by whoever stores them), redirects do not carry credentials to another host, and no error or log
 * line has a credential or the query of a URL in it. Reads and uploads are tried again when that may help; a download
 * goes on where it broke off.
 */
export { Registries } from './registries.ts'
export { Repository, type FetchedManifest, type ReferrerDescriptor } from './repository.ts'
export type { BlobDescriptor, BlobProgress } from './blob.ts'
export type { Upload } from './upload.ts'
export { proxiesOf, proxyFor } from './proxy.ts'
export { noCredentials, RegistryError } from './errors.ts'
export { defaultCertsDirs, plainSettings, type Proxies, type RegistrySettings } from './settings.ts'
