/**
 * The registry's own domain: repositories of blobs, manifests and tags over a store of objects, files or S3 alike.
 *
 * What was acknowledged is durable. A blob is there once its digest is verified and its bytes are on the disk; a manifest is taken only
 * when all that it refers to is in the repository; a tag is written last. Everything is objects, so a killed process leaves nothing to
 * repair: uploads that were under way go on, the rest is garbage that a collection finds.
 *
 * Collections run beside pushes: what a push was told to be here is held for it (holds.ts).
 */
export { Registry, type RegistryOptions } from './registry.ts'
export { Repository } from './repository.ts'
export { Holds } from './holds.ts'
export type { Blobs } from './blobs.ts'
export type { Manifests, PutManifest, StoredManifest } from './manifests.ts'
export type { Tags } from './tags.ts'
export type { Upload, AppendOptions } from './upload.ts'
export type { UploadEntry, Uploads } from './uploads.ts'
export type { ManifestRecord, ReferrerRecord, TagRecord } from './records.ts'
export { readManifest, type ManifestDocument } from './manifest-document.ts'
export { FilesStorage } from './files-storage.ts'
export type { ByteRange, ObjectEntry, ObjectStat, Storage } from './storage.ts'
export { DistributionError, type Fault, type FaultCode } from './errors.ts'
export { isName } from './names.ts'
export { digestOf, isDigest, parseDigest, type Algorithm, type Digest } from './digest.ts'
export { openS3Storage } from './s3.ts'
export { parseS3Location, type S3Settings } from './s3-settings.ts'
export { credentialsOfEnvironment, credentialsOfFile, type S3CredentialsSource } from './s3-credentials.ts'
export { collect, type Collected, type CollectOptions } from './gc.ts'
export { parseRetention, type RetentionPolicy } from './retention-policy.ts'
export { retain, type RetainOptions, type Retained } from './retention.ts'
export { evict, type Evicted } from './cache-evict.ts'
export { PullThrough } from './pull-through.ts'
export { readUpstreams, type PullThroughSettings, type UpstreamSettings } from './upstream-settings.ts'
