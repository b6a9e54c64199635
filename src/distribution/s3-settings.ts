import { EngineError } from '../lib/errors.ts'
import type { S3CredentialsSource } from './s3-credentials.ts'

/** Where in S3 a storage is, and how it is spoken to. */
export interface S3Settings {
  /** `https://host[:port]`, without the bucket. */
  readonly endpoint: URL
  readonly region: string
  readonly bucket: string
  /** Before every key: empty, or ending in a slash. */
  readonly prefix: string
  /** `https://host/bucket/key`, as self-hosted servers want it, in place of `https://bucket.host/key`. */
  readonly pathStyle: boolean
  readonly credentials: S3CredentialsSource
  /** How often a request is tried. */
  readonly attempts: number
  /** Milliseconds before the second try, doubled for each further one. */
  readonly pauseMs: number
  /** Milliseconds for a connection, and for the head of an answer once the request is sent. */
  readonly connectMs: number
  readonly answerMs: number
  /** No byte for so many milliseconds: the connection is dead. */
  readonly idleMs: number
  /** Objects above this size are uploaded in parts of at least this size. S3: at least 5 MiB. */
  readonly partSize: number
  /** Requests at the same time. */
  readonly connections: number
}

/** S3's rules ("Bucket naming rules"), and the underscore and capitals of older buckets and other servers. */
const bucketName = /^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/
const keyPrefix = /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/
const regionName = /^[a-z0-9-]{1,64}$/

/** `s3://bucket[/prefix]` with what the configuration says besides. Throws kind `invalid`. */
export function parseS3Location(
  location: string,
  o: {
    credentials: S3CredentialsSource
    /** Amazon's, of the region, unless told. */
    endpoint?: string | undefined
    region?: string | undefined
    pathStyle?: boolean | undefined
  },
): S3Settings {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]*)\/?(.*?)\/?$/.exec(location) ?? []
  if (!bucketName.test(bucket))
    throw new EngineError(
      'invalid',
      `invalid storage ${JSON.stringify(location)}: want s3://BUCKET or s3://BUCKET/PREFIX`,
    )
  if (prefix !== '' && (!keyPrefix.test(prefix) || prefix.length > 200 || /(^|\/)\.{1,2}(\/|$)/.test(prefix)))
    throw new EngineError(
      'invalid',
      `invalid storage ${JSON.stringify(location)}: the prefix may have letters, digits, ".", "_", "-" and "/"`,
    )
  const region = o.region ?? 'us-east-1'
  if (!regionName.test(region))
    throw new EngineError('invalid', `invalid region of S3 ${JSON.stringify(region)}`)
  const endpoint = parseEndpoint(o.endpoint ?? `https://s3.${region}.amazonaws.com`)
  return {
    endpoint,
    region,
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    // A certificate for *.host does not cover a bucket with dots, nor is there a name below an address.
    pathStyle: o.pathStyle ?? (!endpoint.hostname.endsWith('.amazonaws.com') || bucket.includes('.')),
    credentials: o.credentials,
    attempts: 5,
    pauseMs: 200,
    connectMs: 10_000,
    answerMs: 60_000,
    idleMs: 60_000,
    partSize: 16 << 20,
    connections: 64,
  }
}

function parseEndpoint(text: string): URL {
  const refuse = (why: string) => new EngineError('invalid', `invalid endpoint of S3: ${why}`)
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw refuse('want http[s]://HOST[:PORT]')
  // The text is not repeated: it may have a password in it.
  if (url.username !== '' || url.password !== '')
    throw refuse('credentials belong into the environment or a file')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw refuse(`${JSON.stringify(url.pathname)} after the host: the bucket belongs into s3://BUCKET`)
  return url
}
