/**
 * Every flag of `gantry registry serve` in one table. Each is also a key of the registry's configuration file and of the object
 * `registry` in daemon.json, unless it says otherwise; docs/registry-server.md is held to this table.
 */
/** `path`: a flag may say it relative to the working directory. */
export type RegistryOptionType = 'string' | 'path' | 'boolean' | 'integer' | 'size' | 'duration' | 'level'

export interface RegistryOption {
  /** Of the flag, without dashes, and of the key. */
  readonly name: string
  readonly type: RegistryOptionType
  /** Word for the value in the help text. */
  readonly value?: string
  readonly help: string
  /** A flag only. */
  readonly noKey?: boolean
  /** Shown as the default. */
  readonly initial?: string
}

export const registryOptions = [
  {
    name: 'config',
    type: 'path',
    value: 'file',
    noKey: true,
    help: 'Configuration file: a JSON object with the names of these flags as keys',
  },
  {
    name: 'listen',
    type: 'string',
    value: 'address:port',
    initial: '127.0.0.1:5000',
    help: 'Where to serve; :PORT is every address of the host',
  },
  {
    name: 'storage',
    type: 'path',
    value: 'dir|s3://bucket/prefix',
    initial: '/var/lib/gantry-registry',
    help: 'Where images are kept',
  },
  {
    name: 'state',
    type: 'path',
    value: 'dir',
    help: 'Directory for uploads under way and the key of tokens: by default within the storage, needed with S3',
  },
  {
    name: 's3-endpoint',
    type: 'string',
    value: 'url',
    help: 'Of the S3 server, without the bucket; else Amazon’s',
  },
  { name: 's3-region', type: 'string', value: 'name', initial: 'us-east-1', help: 'Region of the bucket' },
  {
    name: 's3-path-style',
    type: 'boolean',
    help: 'Name the bucket in the path of URLs (the default for all but Amazon), or not, in the host name (=false)',
  },
  {
    name: 's3-credentials',
    type: 'path',
    value: 'file',
    help: 'Credentials in Amazon’s format; else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment',
  },
  {
    name: 's3-profile',
    type: 'string',
    value: 'name',
    initial: 'default',
    help: 'Section of the file of credentials',
  },
  { name: 'tls-cert', type: 'path', value: 'file', help: 'Certificate (PEM, with its chain): serve https' },
  { name: 'tls-key', type: 'path', value: 'file', help: 'Private key of the certificate (PEM)' },
  {
    name: 'tls-client-ca',
    type: 'path',
    value: 'file',
    help: 'Only take connections with a client certificate that this authority signed (PEM)',
  },
  {
    name: 'htpasswd',
    type: 'path',
    value: 'file',
    help: 'Users and bcrypt hashes of their passwords (htpasswd -B)',
  },
  {
    name: 'rights',
    type: 'path',
    value: 'file',
    help: 'Who may pull, push and delete where (JSON); without it, every user may do everything',
  },
  {
    name: 'token-endpoint',
    type: 'boolean',
    help: 'Hand out bearer tokens at /token for the logins of --htpasswd, in place of passwords with each request',
  },
  {
    name: 'token-keys',
    type: 'path',
    value: 'file',
    help: 'Take the tokens of another server: its public keys or certificates (PEM), or a JSON Web Key Set',
  },
  {
    name: 'token-realm',
    type: 'string',
    value: 'url',
    help: 'Where clients get tokens: of the other server, or of --token-endpoint as seen from outside',
  },
  {
    name: 'token-service',
    type: 'string',
    value: 'name',
    initial: 'gantry-registry',
    help: 'Name of this registry in tokens',
  },
  {
    name: 'token-issuer',
    type: 'string',
    value: 'name',
    initial: 'gantry',
    help: 'Name of the token server in tokens',
  },
  {
    name: 'token-lifetime',
    type: 'duration',
    initial: '5m',
    help: 'How long the tokens of --token-endpoint are good',
  },
  { name: 'read-only', type: 'boolean', help: 'Refuse everything but pulls' },
  { name: 'max-blob-size', type: 'size', help: 'Refuse larger blobs' },
  {
    name: 'max-connections',
    type: 'integer',
    initial: '1024',
    help: 'Close further connections at once',
  },
  {
    name: 'client-timeout',
    type: 'duration',
    initial: '1m',
    help: 'End connections whose client sends or takes nothing, or next to nothing, for so long',
  },
  {
    name: 'upload-timeout',
    type: 'duration',
    initial: '24h',
    help: 'Forget an upload that nobody goes on with for so long',
  },
  {
    name: 'gc-interval',
    type: 'duration',
    initial: '1h',
    help: 'Time between garbage collections; 0: only on SIGUSR2',
  },
  {
    name: 'gc-grace',
    type: 'duration',
    initial: '1h',
    help: 'How long what is not referred to yet is kept for the push that is about to',
  },
  {
    name: 'retention',
    type: 'path',
    value: 'file',
    help: 'Rules for which tags and manifests to keep (JSON)',
  },
  {
    name: 'gc-dry-run',
    type: 'boolean',
    help: 'Collections and retention log what they would remove, and why, and remove nothing',
  },
  {
    name: 'upstream',
    type: 'path',
    value: 'file',
    help: 'Registries to fetch from what is missing here (JSON)',
  },
  {
    name: 'metrics-listen',
    type: 'string',
    value: 'address:port',
    help: 'Serve /metrics there, without a login, and not beside the registry',
  },
  { name: 'log-level', type: 'level', initial: 'info', help: 'debug, info, warn or error' },
] as const satisfies readonly RegistryOption[]
