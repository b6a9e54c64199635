import profile from '../../data/seccomp.json' with { type: 'json' }

/** One rule of `linux.seccomp.syscalls` (OCI runtime spec): all `args` must match, several rules of a name add up. */
export interface SeccompRule {
  names: string[]
  action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  errnoRet?: number
  args?: { index: number; value: number; valueTwo?: number; op: string }[]
}

/** `linux.seccomp` of the OCI runtime spec. */
export interface OciSeccomp {
  defaultAction: 'SCMP_ACT_ERRNO'
  defaultErrnoRet: number
  architectures: string[]
  syscalls: SeccompRule[]
}

const EPERM = 1
const ENOSYS = 38

/** The flags of clone() that make a namespace, the time namespace aside: that one has no bit there. */
const namespaceFlags = [
  0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
]

/** Plain Linux, 32-bit Linux, UNAME26 of each, and the query. What else there is weakens address randomisation. */
const personalities = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]

const AF_ALG = 38
const AF_VSOCK = 40
const AF_MAX = 46

/**
 * The default filter for a process with the given capabilities (`CAP_…`). `arch` is an image's: `amd64`, `arm64`.
 * Calls that we know and refuse fail with EPERM as Docker's do. All others, newer than this list, fail with ENOSYS:
 * C libraries then fall back to what they did before (Docker has that from runc; crun takes a filter as it is).
 */
export function defaultSeccomp(o: { arch: string; capabilities: readonly string[] }): OciSeccomp {
  const architecture = Object.entries(profile.architectures).find(([name]) => name === o.arch)?.[1]
  const allowed = new Set([...Object.values(profile.allow), architecture?.allow ?? ''].flatMap(words))
  const refused = new Set(words(profile.refuse))
  for (const [capability, names] of Object.entries(profile.capabilities))
    for (const name of words(names)) (o.capabilities.includes(capability) ? allowed : refused).add(name)
  const mayMakeNamespaces = allowed.has('clone')
  // clone3 hides its flags behind a pointer. With ENOSYS, C libraries use clone, whose flags can be seen.
  refused.delete('clone')
  refused.delete('clone3')
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    // An architecture that we do not know gets the filter of the machine's own alone.
    architectures: architecture?.tokens ?? [],
    syscalls: [
      { names: [...allowed].sort(), action: 'SCMP_ACT_ALLOW' },
      {
        names: [...refused].filter((name) => !allowed.has(name)).sort(),
        action: 'SCMP_ACT_ERRNO',
        errnoRet: EPERM,
      },
      ...(mayMakeNamespaces ? [] : cloneWithoutNamespaces()),
      ...personalities.map((value) => allowWhen('personality', value)),
      ...socketFamilies(),
    ],
  }
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '')

function allowWhen(name: string, value: number, op = 'SCMP_CMP_EQ'): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value, op }] }
}

/** Threads and processes, no namespaces. (MASKED_EQ: `value` is the mask, `valueTwo` what must be left.) */
function cloneWithoutNamespaces(): SeccompRule[] {
  const all = namespaceFlags.reduce((mask, flag) => mask | flag, 0)
  const rule = (value: number, valueTwo: number) => ({
    names: ['clone'],
    args: [{ index: 0, value, valueTwo, op: 'SCMP_CMP_MASKED_EQ' }],
  })
  return [
    { ...rule(all, 0), action: 'SCMP_ACT_ALLOW' },
    ...namespaceFlags.map((flag): SeccompRule => ({
      ...rule(flag, flag),
      action: 'SCMP_ACT_ERRNO',
      errnoRet: EPERM,
    })),
  ]
}

/**
 * Every address family but AF_VSOCK (it reaches the hypervisor past every network namespace) and AF_ALG (kernel
 * crypto, a rich source of holes). Allowed families are named one by one because the filter compares 64 bits where
 * the kernel takes 32: "not 40" would let 2^32 + 40 through, and one rule holds one condition on an argument.
 * The two fail with ENOSYS: a rule for EPERM collides with the allowing ones where libseccomp maps both to 32-bit
 * x86's socketcall (EEXIST). That call stays open to 32-bit x86 programs, as it is in Docker: its family is in memory.
 */
function socketFamilies(): SeccompRule[] {
  const above = Array.from({ length: AF_MAX - AF_ALG }, (_, i) => AF_ALG + i)
  return [
    allowWhen('socket', AF_ALG, 'SCMP_CMP_LT'),
    ...above
      .filter((family) => family !== AF_ALG && family !== AF_VSOCK)
      .map((family) => allowWhen('socket', family)),
  ]
}
