/** What tokens are for: docker's scopes (`repository:team/app:pull,push`, `registry:catalog:*`). */
import { z } from 'zod'
import type { Action, Need } from './access.ts'

/** One entry of a token's `access` claim. */
export const grantSchema = z.object({
  type: z.string(),
  name: z.string(),
  actions: z.array(z.string()),
})
export type Grant = z.infer<typeof grantSchema>

export const catalogGrant: Grant = { type: 'registry', name: 'catalog', actions: ['*'] }

/** Scopes of one or several parameters, as clients send them; what is no scope is left out, as docker does. */
export function parseScopes(texts: readonly string[]): Grant[] {
  return texts
    .flatMap((text) => text.split(' '))
    .flatMap((text) => {
      // A type may carry a class: `repository(plugin)`. A name may have a host's port.
      const [, type, name, actions] = /^([a-z]+)(?:\([a-z]+\))?:([^\s"\\]+):([a-z,*]*)$/.exec(text) ?? []
      return type === undefined || name === undefined || actions === undefined
        ? []
        : [{ type, name, actions: [...new Set(actions.split(',').filter((action) => action !== ''))] }]
    })
}

/** The scope that a need asks a token for; undefined: any valid token. */
export function scopeOf(need: Need): string | undefined {
  switch (need.kind) {
    case 'login':
      return undefined
    case 'catalog':
      return 'registry:catalog:*'
    case 'repository':
      return `repository:${need.name}:${need.actions.join(',')}`
  }
}

export function grantsAllow(grants: readonly Grant[], repository: string, action: Action): boolean {
  return grants.some(
    (grant) =>
      grant.type === 'repository' &&
      grant.name === repository &&
      (grant.actions.includes(action) || grant.actions.includes('*')),
  )
}

export function grantsCatalog(grants: readonly Grant[]): boolean {
  return grants.some(
    (grant) => grant.type === 'registry' && grant.name === 'catalog' && grant.actions.includes('*'),
  )
}
