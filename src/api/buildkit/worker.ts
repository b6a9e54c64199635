import { arch, hostname } from 'node:os'

/** The newest BuildKit whose API this is like; clients look at it before they use something. */
export const buildkitVersion = {
  package: 'github.com/moby/buildkit',
  version: 'v0.13.2+gantry',
  revision: '',
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** The one place where builds run. `hostGateway`: what `host-gateway` of --add-host means. */
export function workerRecord(hostGateway: string) {
  return {
    ID: 'gantry',
    Labels: {
      'org.mobyproject.buildkit.worker.executor': 'oci',
      'org.mobyproject.buildkit.worker.hostname': hostname(),
      // buildx: without it only images can be the output.
      'org.mobyproject.buildkit.worker.snapshotter': 'overlayfs',
      'org.mobyproject.buildkit.worker.moby.host-gateway-ip': hostGateway,
    },
    platforms: [{ OS: 'linux', Architecture: architectures[arch()] ?? arch(), Variant: '' }],
    buildkitVersion,
  }
}
