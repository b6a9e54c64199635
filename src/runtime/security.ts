import { EngineError } from '../lib/errors.ts'
import { parseBool } from '../lib/parse-bool.ts'
import type { HostFacts } from './host-facts.ts'
import type { OciCustomSeccomp, OciSpec } from './oci-spec.ts'
import { decodeSeccomp } from './seccomp-profile.ts'
import { defaultSeccomp } from './seccomp.ts'

export interface SecurityOptions {
  readonly noNewPrivileges: boolean
  readonly seccomp: 'default' | 'unconfined' | { readonly profile: string }
  /** A profile's name; undefined leaves AppArmor alone. */
  readonly apparmor: string | undefined
  /** Nothing of /proc and /sys is masked or read-only. */
  readonly systemPathsUnconfined: boolean
}

/** Decodes `--security-opt`. Both `key=value` and docker's old `key:value`. Unknown options are refused by name. */
export function parseSecurityOptions(options: readonly string[], facts: HostFacts): SecurityOptions {
  let noNewPrivileges = false
  let seccomp: SecurityOptions['seccomp'] = 'default'
  let apparmor: string | undefined
  let systemPathsUnconfined = false
  for (const option of options) {
    const [, key = option, value = ''] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? []
    if (key === 'no-new-privileges') {
      const on = option === key || parseBool(value)
      if (on === undefined) throw invalid(option)
      noNewPrivileges = on
    } else if (key === 'seccomp') {
      seccomp = value === 'unconfined' ? value : value === 'builtin' ? 'default' : { profile: value }
      if (value === '') throw invalid(option)
    } else if (key === 'apparmor') {
      if (value === '') throw invalid(option)
      if (!facts.apparmor && value !== 'unconfined')
        throw new EngineError(
          'unsupported',
          `--security-opt ${option}: this kernel does not have AppArmor enabled`,
        )
      apparmor = facts.apparmor ? value : undefined
    } else if (key === 'label') {
      if (value !== 'disable')
        throw new EngineError('unsupported', `--security-opt ${option}: SELinux labels are not supported`)
    } else if (key === 'systempaths') {
      if (value !== 'unconfined') throw invalid(option)
      systemPathsUnconfined = true
    } else {
      throw invalid(option)
    }
  }
  return { noNewPrivileges, seccomp, apparmor, systemPathsUnconfined }
}

/** The filter for a process with these capabilities; undefined when it is to have none. */
export function seccompFor(
  choice: SecurityOptions['seccomp'],
  o: { privileged: boolean; capabilities: readonly string[]; arch: string },
): OciSpec['linux']['seccomp'] {
  // Docker: a privileged container has no filter unless it names one.
  if (choice === 'unconfined' || (choice === 'default' && o.privileged)) return undefined
  if (choice === 'default') return defaultSeccomp({ arch: o.arch, capabilities: o.capabilities })
  const profile: OciCustomSeccomp = decodeSeccomp(choice.profile, o)
  return profile
}

function invalid(option: string): EngineError {
  return new EngineError('invalid', `invalid --security-opt 2: ${JSON.stringify(option.slice(0, 100))}`)
}
