/** Who a container runs as, and what it may. */
import type { IPodSecurityContext, ISecurityContext } from 'kubernetes-models/v1'
import type { Service } from '../model/project-model.ts'
import { compact } from './compact.ts'
import type { Translation } from './translation.ts'

export function securityOf(t: Translation, name: string, service: Service): ISecurityContext {
  const options = optionsOf(t, name, service)
  const [user, group] = userOf(t, name, service)
  const capability = (text: string) => text.toUpperCase().replace(/^CAP_/, '')
  return compact<ISecurityContext>({
    ...options,
    runAsUser: user,
    runAsGroup: group,
    privileged: service.privileged || undefined,
    readOnlyRootFilesystem: service.read_only || undefined,
    capabilities: compact<NonNullable<ISecurityContext['capabilities']>>({
      add: service.cap_add.map(capability),
      drop: service.cap_drop.map(capability),
    }),
  })
}

function userOf(t: Translation, name: string, { user }: Service): [number | undefined, number | undefined] {
  if (user === '') return [undefined, undefined]
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? []
  if (uid === undefined) {
    t.lost(['services', name, 'user'], `Kubernetes wants numbers, and ${JSON.stringify(user)} is a name`)
    return [undefined, undefined]
  }
  return [Number(uid), gid === undefined ? undefined : Number(gid)]
}

function optionsOf(
  t: Translation,
  name: string,
  { security_opt: options }: Service,
): Partial<ISecurityContext> {
  const all: ISecurityContext = {}
  for (const [index, option] of options.entries()) {
    const path = ['services', name, 'security_opt', String(index)]
    const [, key = option, value = ''] = /^([^:=]+)[:=](.*)$/.exec(option) ?? []
    if (key === 'no-new-privileges') all.allowPrivilegeEscalation = value === 'false'
    else if (key === 'seccomp' && value === 'unconfined') all.seccompProfile = { type: 'Unconfined' }
    else if (key === 'apparmor')
      all.appArmorProfile =
        value === 'unconfined' ? { type: 'Unconfined' } : { type: 'Localhost', localhostProfile: value }
    else if (key === 'label' && /^(?:user|role|type|level):/.test(value)) {
      const [part = '', text = ''] = value.split(/:(.*)/s)
      all.seLinuxOptions = { ...all.seLinuxOptions, [part]: text }
    } else t.lost(path, `the option ${option} has no counterpart`)
  }
  return all
}

export function podSecurityOf(t: Translation, name: string, service: Service): IPodSecurityContext {
  const numbers = service.group_add.filter((group) => /^\d+$/.test(group))
  if (numbers.length < service.group_add.length)
    t.lost(['services', name, 'group_add'], 'Kubernetes wants numbers, and not names of groups')
  return compact<IPodSecurityContext>({
    supplementalGroups: numbers.map(Number),
    sysctls: Array.from(service.sysctls, ([key, value]) => ({ name: key, value })),
  })
}
