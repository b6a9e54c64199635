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
  | 'features'
  | 'network-options'
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
    flag: 'icc',
    key: 'icc',
    type: 'boolean',
    help: 'Containers on the default bridge reach each other (true)',
  },
  {
    flag: 'ip',
    key: 'ip',
    type: 'string',
    help: 'Where ports are published that name no address',
  },
  {
    flag: 'ip-forward',
    key: 'ip-forward',
    type: 'boolean',
    help: 'Turn on forwarding of the host (true)',
  },
  {
    flag: 'ip-masq',
    key: 'ip-masq',
    type: 'boolean',
    help: 'Containers on the default bridge have the host’s address outside (true)',
  },
  {
    flag: 'iptables',
    key: 'iptables',
    type: 'boolean',
    help: 'Make firewall rules: always (true)',
  },
  {
    flag: 'ip6tables',
    key: 'ip6tables',
    type: 'boolean',
    help: 'Make firewall rules for IPv6: always (true)',
  },
  {
    flag: 'firewall-backend',
    key: 'firewall-backend',
    type: 'string',
    help: 'Of the firewall: nftables',
  },
  {
    flag: 'fixed-cidr',
    key: 'fixed-cidr',
    type: 'string',
    help: 'Part of the default bridge’s block that containers get addresses from',
  },
  {
    flag: 'host-gateway-ip',
    key: 'host-gateway-ip',
    type: 'string',
    help: 'What host-gateway of --add-host means (the default bridge)',
  },
  {
    key: 'host-gateway-ips',
    type: 'list',
    help: 'The same as a list of one address',
  },
  {
    flag: 'userland-proxy',
    key: 'userland-proxy',
    type: 'boolean',
    help: 'Relay published ports that no rule can lead to their container (true)',
  },
  {
    flag: 'default-network-opt',
    key: 'default-network-opts',
    type: 'network-options',
    help: 'Option of new networks, driver=option=value (repeatable)',
  },
  {
    flag: 'storage-driver',
    short: 's',
    key: 'storage-driver',
    type: 'string',
    help: 'How layers are stored: overlay2',
  },
  {
    flag: 'selinux-enabled',
    key: 'selinux-enabled',
    type: 'boolean',
    help: 'SELinux labels: never (false)',
  },
  {
    flag: 'userns-remap',
    key: 'userns-remap',
    type: 'string',
    help: 'User namespaces: none',
  },
  {
    flag: 'exec-opt',
    key: 'exec-opts',
    type: 'list',
    help: 'Option of the runtime: native.cgroupdriver=cgroupfs',
  },
  {
    flag: 'feature',
    key: 'features',
    type: 'features',
    help: 'Feature: buildkit and cdi, which are always on',
  },
  {
    flag: 'experimental',
    key: 'experimental',
    type: 'boolean',
    help: 'Say so in info and version',
  },
  {
    flag: 'live-restore',
    key: 'live-restore',
    type: 'boolean',
    help: 'Containers go on when the daemon is stopped',
  },
  {
    flag: 'log-format',
    key: 'log-format',
    type: 'string',
    help: 'Format of the daemon’s log: json or text (json)',
  },
  {
    flag: 'raw-logs',
    key: 'raw-logs',
    type: 'boolean',
    help: 'A log of the daemon without colours: always (true)',
  },
  {
    flag: 'metrics-addr',
    key: 'metrics-addr',
    type: 'string',
    help: 'Serve figures for Prometheus on this address',
  },
  {
    flag: 'oom-score-adjust',
    key: 'oom-score-adjust',
    type: 'integer',
    help: 'How gladly the kernel kills the daemon for want of memory, -1000 to 1000',
  },
  {
    flag: 'seccomp-profile',
    key: 'seccomp-profile',
    type: 'string',
    help: 'Seccomp profile of containers that choose none: a file, builtin or unconfined',
  },
  {
    flag: 'init-path',
    key: 'init-path',
    type: 'string',
    help: 'The init of --init',
  },
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
  'dns-backend',
  'fixed-cidr-v6',
  'graph',
  'ip-forward-no-drop',
  'ipv6',
  'min-api-version',
  'network-control-plane-mtu',
  'node-generic-resources',
  'rootless',
  'storage-opts',
  'swarm-default-advertise-addr',
  'userland-proxy-path',
]

/** The flag's spelling of an unsupported key where it differs (`log-opts` is `--log-opt`). */
export const flagAliases: Readonly<Record<string, string>> = {
  'storage-opt': 'storage-opts',
  'authorization-plugin': 'authorization-plugins',
  'node-generic-resource': 'node-generic-resources',
}
