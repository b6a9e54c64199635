# Sourced by ./quickstart and ./test with $root set: installs what is missing and nothing else.
# shellcheck shell=sh

fail() { echo "$*" >&2; exit 1; }

# step TEXT COMMAND…: one line with its time; the command's output only when it fails.
step() {
  step_text=$1; shift
  step_log=$(mktemp)
  step_start=$(date +%s%N)
  if "$@" >"$step_log" 2>&1 </dev/null; then
    printf '  %-46s %5s s\n' "$step_text" "$(seconds_since "$step_start")"
    rm -f "$step_log"
  else
    step_code=$?
    echo "  $step_text: failed" >&2
    cat "$step_log" >&2
    rm -f "$step_log"
    exit "$step_code"
  fi
}

seconds_since() { awk -v ns="$(($(date +%s%N) - $1))" 'BEGIN { printf "%.1f", ns / 1e9 }'; }

need_root() { [ "$(id -u)" = 0 ] || fail "$1 must run as root: containers need it. Try: sudo $1"; }

# Prints the Debian packages whose programs are not here; $1: more pairs of program and package.
missing_packages() {
  PATH=$PATH:/usr/sbin:/sbin
  for pair in crun:crun conmon:conmon ip:iproute2 nft:nftables tini:tini git:git xz:xz-utils bzip2:bzip2 ps:procps \
    $1; do
    command -v "${pair%%:*}" >/dev/null || printf '%s ' "${pair#*:}"
  done
  # A busybox with shared libraries does not run in an image by itself.
  { [ -x /bin/busybox ] && /bin/busybox --help 2>/dev/null | grep -qw httpd && ! ldd /bin/busybox >/dev/null 2>&1; } ||
    printf 'busybox-static '
  [ -e /etc/ssl/certs/ca-certificates.crt ] || printf 'ca-certificates '
  # Of the pinned Node.
  ldconfig -p | grep -q 'libatomic\.so\.1 ' || printf 'libatomic1 '
  # crun refuses hosts with both cgroup versions that leave controllers to the second: runc takes its place there.
  if [ -s /sys/fs/cgroup/unified/cgroup.controllers ] && ! command -v runc >/dev/null; then printf 'runc '; fi
  command -v npm >/dev/null || printf 'nodejs npm '
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }

# install_packages [PROGRAM:PACKAGE…]: what Gantry needs, and these.
install_packages() {
  packages=$(missing_packages "$*")
  [ -n "$packages" ] || return 0
  command -v apt-get >/dev/null ||
    fail "These packages are missing (their names on Debian): $packages- install them with this system's package manager, then run this again."
  step 'package lists' apt update
  # shellcheck disable=SC2086 # one word for each package
  step "install ${packages% }" apt install -y --no-install-recommends $packages
}

# npm packages and the pinned Node.js, when package-lock.json changed since they were installed.
install_npm() {
  stamp=$root/node_modules/.gantry-lock
  if [ ! -e "$stamp" ] || ! cmp -s "$stamp" "$root/package-lock.json"; then
    step 'npm packages and Node.js' npm_ci
    cp "$root/package-lock.json" "$stamp"
  fi
  "$root/tools/with-node" "$root/tools/build/main.ts"
}

# npm leaves out optional packages that do not support the Node it runs on, as some tools' do Debian 12's: there npm
# and the pinned Node come first, into a place of their own, and then install the rest.
npm_ci() (
  if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
    case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
    pinned=$(sed -n "s/.*\"node-linux-$arch\": \"\(.*\)\".*/\1/p" "$root/package.json")
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    npm --prefix "$place" install --no-audit --no-fund --ignore-scripts "node-linux-$arch@$pinned" npm@11 || exit 1
    PATH=$place/node_modules/node-linux-$arch/bin:$place/node_modules/.bin:$PATH
  fi
  npm --prefix "$root" ci --ignore-scripts --no-audit --no-fund
)

# Clients of registries that the tests of ours use, as far as this release of Debian has them: 13 has oras, none has crane.
install_registry_clients() {
  command -v apt-get >/dev/null || return 0
  { command -v skopeo && command -v podman; } >/dev/null || apt-cache show skopeo >/dev/null 2>&1 ||
    step 'package lists' apt update
  clients=
  for client in skopeo podman oras; do
    command -v "$client" >/dev/null || [ -z "$(apt-cache --names-only search "^$client\$")" ] || clients="$clients $client"
  done
  [ -n "$clients" ] || return 0
  # shellcheck disable=SC2086 # one word for each package
  step "install$clients, for compatibility tests" apt install -y --no-install-recommends $clients
}

# Debian's docker command for the compatibility tests: the client alone, unpacked and not installed (its package
# brings a daemon that would start).
install_docker_client() {
  client=$root/node_modules/.cache/docker
  PATH=$PATH:$client/usr/bin
  if command -v docker >/dev/null || ! command -v apt-get >/dev/null; then return 0; fi
  step 'docker client, for compatibility tests' fetch_docker_client || return 0
}

# Debian 12 has version 1, Debian 13 version 2; both are tried.
install_docker_compose() {
  if command -v docker-compose >/dev/null || ! command -v apt-get >/dev/null; then return 0; fi
  step 'docker-compose, for compatibility tests' fetch_docker_compose
}

fetch_docker_compose() {
  apt install -y --no-install-recommends docker-compose ||
    { apt update && apt install -y --no-install-recommends docker-compose; } ||
    echo 'no docker-compose: its tests are skipped'
}

fetch_docker_client() {
  mkdir -p "$client" && cd "$client" || return 1
  # Debian 13 has the client by itself.
  apt download docker-cli || apt download docker.io || { apt update && { apt download docker-cli || apt download docker.io; }; } || {
    echo 'no docker client: its tests are skipped'; return 0
  }
  for deb in *.deb; do dpkg-deb -x "$deb" . && rm -f "$deb"; done
}
