/**
 * Every daemon flag and daemon.json key in one table: what parses them, what `--help` prints and what docs/compat.md
 * is held to. Names and meanings are dockerd's.
 */
export type OptionType =
  | 'string'
  | 'boolean'
  | 'list'
  | 'integer'
  | 'size'
  | 'level'
  | 'ulimits'
  | 'runtimes'
  | 'pools'
  | 'map'
  | 'builder'
  | 'proxies'
  | 'registry'

export interface DaemonOption {
  /** Long flag without dashes; absent: a key of daemon.json only. */
  readonly flag?: string
  readonly short?: string
  /** Key of daemon.json; absent: a flag only. */
  readonly key?: string
  readonly type: OptionType
  readonly help: string
}

export const daemonOptions = [
  {
    flag: 'host',
    short: 'H',
    key: 'hosts',
    type: 'list',
    help: 'Listen on unix:///path or tcp://address:port (repeatable)',
  },
  { flag: 'data-root', key: 'data-root', type: 'string', help: 'Root directory of persistent state' },
  { flag: 'exec-root', key: 'exec-root', type: 'string', help: 'Root directory of run-time state' },
  { flag: 'group', short: 'G', key: 'group', type: 'string', help: 'Group that may use the unix socket' },
  { flag: 'pidfile', short: 'p', key: 'pidfile', type: 'string', help: 'File for the daemon’s process id' },
  { flag: 'config-file', type: 'string', help: 'Daemon configuration file' },
  {
    flag: 'log-level',
    short: 'l',
    key: 'log-level',
    type: 'level',
    help: 'Log level: debug, info, warn, error',
  },
  { flag: 'debug', short: 'D', key: 'debug', type: 'boolean', help: 'Log at level debug' },
  {
    flag: 'bridge',
    short: 'b',
    key: 'bridge',
    type: 'string',
    help: 'Name of the default bridge; made when missing',
  },
  { flag: 'bip', key: 'bip', type: 'string', help: 'Address of the default bridge, CIDR' },
  {
    flag: 'default-address-pool',
    key: 'default-address-pools',
    type: 'pools',
    help: 'Pool for networks without a subnet, base=CIDR,size=BITS (repeatable)',
  },
  { flag: 'mtu', key: 'mtu', type: 'integer', help: 'MTU of the default bridge' },
  {
    flag: 'respect-host-firewall',
    key: 'respect-host-firewall',
    type: 'boolean',
    help: 'Published ports obey the host’s own firewall rules',
  },
  { flag: 'default-runtime', key: 'default-runtime', type: 'string', help: 'OCI runtime for containers' },
  { flag: 'add-runtime', key: 'runtimes', type: 'runtimes', help: 'Register an OCI runtime, name=path' },
  { flag: 'cgroup-parent', key: 'cgroup-parent', type: 'string', help: 'Parent cgroup of all containers' },
  { flag: 'dns', key: 'dns', type: 'list', help: 'DNS server for containers (repeatable)' },
  { flag: 'dns-opt', key: 'dns-opts', type: 'list', help: 'DNS option for containers (repeatable)' },
  {
    flag: 'dns-search',
    key: 'dns-search',
    type: 'list',
    help: 'DNS search domain for containers (repeatable)',
  },
  { flag: 'label', key: 'labels', type: 'list', help: 'Label of the daemon, key=value (repeatable)' },
  { flag: 'init', key: 'init', type: 'boolean', help: 'Run an init as PID 1 of each container' },
  {
    flag: 'cdi-spec-dir',
    key: 'cdi-spec-dirs',
    type: 'list',
    help: 'Folder of CDI files (repeatable; /etc/cdi and /var/run/cdi)',
  },
  {
    flag: 'default-ipc-mode',
    key: 'default-ipc-mode',
    type: 'string',
    help: 'IPC mode of containers that choose none: private or shareable',
  },
  {
    flag: 'default-cgroupns-mode',
    key: 'default-cgroupns-mode',
    type: 'string',
    help: 'Cgroup namespace of containers that choose none: private or host',
  },
  {
    flag: 'log-driver',
    key: 'log-driver',
    type: 'string',
    help: 'Log driver of containers that choose none (local)',
  },
  {
    flag: 'log-opt',
    key: 'log-opts',
    type: 'map',
    help: 'Option of the log driver, key=value (repeatable)',
  },
  {
    flag: 'no-new-privileges',
    key: 'no-new-privileges',
    type: 'boolean',
    help: 'No new privileges in containers',
  },
  { flag: 'default-shm-size', key: 'default-shm-size', type: 'size', help: 'Size of /dev/shm in containers' },
  {
    flag: 'default-ulimit',
    key: 'default-ulimits',
    type: 'ulimits',
    help: 'Ulimit of containers, name=soft[:hard] (repeatable)',
  },
  { key: 'builder', type: 'builder', help: 'Collection of the build cache' },
  {
    flag: 'shutdown-timeout',
    key: 'shutdown-timeout',
    type: 'integer',
    help: 'Seconds that containers get at daemon stop',
  },
  {
    flag: 'registry-mirror',
    key: 'registry-mirrors',
    type: 'list',
    help: 'Mirror of Docker Hub, tried before it: a URL (repeatable)',
  },
  {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    type: 'list',
    help: 'Registry, or CIDR of registries, without (verified) TLS (repeatable)',
  },
  {
    flag: 'certs-dir',
    key: 'certs-dir',
    type: 'string',
    help: 'Certificates of registries, as docker’s certs.d',
  },
  {
    flag: 'max-concurrent-downloads',
    key: 'max-concurrent-downloads',
    type: 'integer',
    help: 'Layers of one pull at the same time',
  },
  {
    flag: 'max-concurrent-uploads',
    key: 'max-concurrent-uploads',
    type: 'integer',
    help: 'Layers of one push at the same time',
  },
  {
    flag: 'max-download-attempts',
    key: 'max-download-attempts',
    type: 'integer',
    help: 'Tries of a request to a registry, and of a download without progress',
  },
  { flag: 'http-proxy', key: 'http-proxy', type: 'string', help: 'Proxy URL for http:// registries' },
  { flag: 'https-proxy', key: 'https-proxy', type: 'string', help: 'Proxy URL for https:// registries' },
  {
    flag: 'no-proxy',
    key: 'no-proxy',
    type: 'string',
    help: 'Hosts and networks that are reached without a proxy, with commas between',
  },
  { key: 'proxies', type: 'proxies', help: 'The three above in one object' },
  { flag: 'offline', key: 'offline', type: 'boolean', help: 'Never connect to a registry' },
  { key: 'registry', type: 'registry', help: 'Serve a registry, too: the flags of gantry registry serve' },
  { flag: 'tls', key: 'tls', type: 'boolean', help: 'Use TLS on tcp hosts; implied by --tlsverify' },
  {
    flag: 'tlsverify',
    key: 'tlsverify',
    type: 'boolean',
    help: 'Use TLS on tcp hosts and verify the client',
  },
  {
    flag: 'tlscacert',
    key: 'tlscacert',
    type: 'string',
    help: 'Trust clients whose certificate this CA signed',
  },
  { flag: 'tlscert', key: 'tlscert', type: 'string', help: 'Certificate of the daemon' },
  { flag: 'tlskey', key: 'tlskey', type: 'string', help: 'Private key of the daemon' },
  { flag: 'validate', type: 'boolean', help: 'Check the configuration and exit' },
  { flag: 'version', short: 'v', type: 'boolean', help: 'Print the version and exit' },
  { flag: 'help', short: 'h', type: 'boolean', help: 'Print this help and exit' },
] as const satisfies readonly DaemonOption[]

/** dockerd's other keys and flags, refused by name until they do something. Keys of daemon.json; flags alike but for plurals. */
export const unsupportedKeys: readonly string[] = [
  'allow-nondistributable-artifacts',
  'api-cors-header',
  'authorization-plugins',
  'bip6',
  'bridge-accept-fwmark',
  'containerd',
  'containerd-namespace',
  'containerd-plugins-namespace',
  'cpu-rt-period',
  'cpu-rt-runtime',
  'data-path-addr',
  'default-gateway',
  'default-gateway-v6',
  'default-network-opts',
  'dns-backend',
  'exec-opts',
  'experimental',
  'features',
  'firewall-backend',
  'fixed-cidr',
  'fixed-cidr-v6',
  'graph',
  'host-gateway-ip',
  'host-gateway-ips',
  'icc',
  'init-path',
  'ip',
  'ip-forward',
  'ip-forward-no-drop',
  'ip-masq',
  'ip6tables',
  'iptables',
  'ipv6',
  'live-restore',
  'log-format',
  'metrics-addr',
  'min-api-version',
  'network-control-plane-mtu',
  'node-generic-resources',
  'oom-score-adjust',
  'raw-logs',
  'rootless',
  'seccomp-profile',
  'selinux-enabled',
  'storage-driver',
  'storage-opts',
  'swarm-default-advertise-addr',
  'userland-proxy',
  'userland-proxy-path',
  'userns-remap',
]

/** The flag's spelling of an unsupported key where it differs (`log-opts` is `--log-opt`). */
export const flagAliases: Readonly<Record<string, string>> = {
  'storage-opt': 'storage-opts',
  'exec-opt': 'exec-opts',
  'default-network-opt': 'default-network-opts',
  'authorization-plugin': 'authorization-plugins',
  feature: 'features',
  'node-generic-resource': 'node-generic-resources',
}
