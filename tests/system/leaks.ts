import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where one daemon leaves traces. */
export interface Places {
  readonly dataRoot: string
  readonly execRoot: string
  readonly bridge: string
  readonly cgroupParent: string
  readonly tag: string
}

/** What there is, by kind: `mount`, `link`, `nft`, `cgroup`, `process`, `run` (files below exec-root), `disk` (below data-root). */
export type Snapshot = Partial<Record<string, readonly string[]>>

/** Everything that this daemon's containers could leave behind. Other daemons of the machine are left out. */
export function snapshot(places: Places): Snapshot {
  return {
    mount: mounts(places),
    link: links(places),
    nft: nft(places),
    cgroup: cgroups(places),
    process: processes(places),
    run: files(places.execRoot, 2),
    disk: files(places.dataRoot, 2),
  }
}

/** What came and what went, one line each. */
export function difference(before: Snapshot, now: Snapshot): string[] {
  return Object.keys({ ...before, ...now }).flatMap((kind) => {
    const old = new Set(before[kind])
    const current = new Set(now[kind])
    return [
      ...[...current].filter((item) => !old.has(item)).map((item) => `${kind} left: ${item}`),
      ...[...old].filter((item) => !current.has(item)).map((item) => `${kind} lost: ${item}`),
    ]
  })
}

function mounts({ dataRoot, execRoot }: Places): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${dataRoot}/`) || path.startsWith(`${execRoot}/`))
}

const output = (...argv: string[]): string => {
  const [file = '', ...args] = argv
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** Bridges that this daemon marked as its own, and the ends of veth pairs on them: what a container has in the host. */
function links({ bridge, execRoot }: Places): string[] {
  const owner = `gantry ${createHash('sha256').update(execRoot).digest('hex').slice(0, 6)}`
  const marked = readdirSync('/sys/class/net').filter((name) => {
    try {
      return readFileSync(`/sys/class/net/${name}/ifalias`, 'utf8').trim() === owner
    } catch {
      return false // gone in the meantime
    }
  })
  return [...new Set([bridge, ...marked])].flatMap((name) => {
    const folder = `/sys/class/net/${name}/brif`
    return existsSync(folder) ? [name, ...readdirSync(folder)] : []
  })
}

/** Our table, element by element, and what speaks of our bridge in tables of others; counters and handles aside. */
function nft({ bridge }: Places): string[] {
  const found: string[] = []
  let table: string[] = []
  for (const line of output('nft', 'list', 'ruleset').split('\n')) {
    if (line.startsWith('table ')) table = []
    table.push(line.trim())
    if (line !== '}') continue
    const ofBridge = table.filter((rule) => rule.includes(`"${bridge}"`))
    found.push(...(ofBridge.length > 0 && table[0]?.includes('gantry') ? table : ofBridge))
  }
  // Between two lives of a daemon without containers, another program may have taken its block.
  const block = new RegExp(`"${bridge}" \\. ([0-9./]+)`).exec(found.join(' '))?.[1]
  return found
    .map((line) => (block === undefined ? line : line.replaceAll(block, 'BLOCK')))
    .map((line) => line.replaceAll(/counter packets \d+ bytes \d+/g, 'counter'))
    .flatMap((line) => line.split(/,\s*/))
    .map((line) => line.replace(/^elements = \{\s*|\s*\}$/g, '').trim())
    .filter((line) => line !== '')
}

function cgroups({ cgroupParent }: Places): string[] {
  const base = '/sys/fs/cgroup'
  const roots = [base, ...readdirSync(base).map((name) => join(base, name))].map(
    (path) => path + cgroupParent,
  )
  return roots
    .filter((path) => existsSync(path))
    .flatMap((path) =>
      readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(path, entry.name)),
    )
}

/** Processes that name the daemon's run directory or live in its cgroups: conmon, crun, and what runs in containers. */
function processes({ execRoot, cgroupParent }: Places): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        const ours =
          (line.includes(execRoot) && /conmon|crun|runc/.test(line)) ||
          readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`${cgroupParent}/`)
        return ours ? [`${pid} ${line.slice(0, 200)}`] : []
      } catch {
        return [] // gone in the meantime
      }
    })
}

function files(path: string, depth: number): string[] {
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const full = join(path, entry.name)
    // The database grows its journal; what is in it is not a leak of files.
    if (/\.db(-wal|-shm)?$/.test(entry.name)) return []
    return entry.isDirectory() && depth > 1 ? [full, ...files(full, depth - 1)] : [full]
  })
}
