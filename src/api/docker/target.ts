import { EngineError } from '../../lib/errors.ts'
import { apiVersion, minApiVersion } from '../../wire/version.ts'

/** A request's path without its version, ready for the router, and what was asked for. */
export interface Target {
  readonly path: string
  readonly search: string
  /** Minor number of the API version: 51 for 1.51. */
  readonly minor: number
}

const newest = minorOf(apiVersion)
const oldest = minorOf(minApiVersion)

/** Takes `/v1.44/containers/json?all=1` apart. Throws kind `invalid` for versions that are not served. */
export function parseTarget(url: string): Target {
  const question = url.indexOf('?')
  const full = question < 0 ? url : url.slice(0, question)
  const search = question < 0 ? '' : url.slice(question + 1)
  const match = /^\/v(\d+)\.(\d+)(\/.*)$/.exec(full)
  if (!match) return { path: joinNames(full), search, minor: newest }
  const [, major = '', minorText = '', path = '/'] = match
  const version = `${major}.${minorText}`
  const minor = Number(minorText)
  const order = Number(major) - 1 || undefined
  if ((order ?? minor - newest) > 0)
    throw new EngineError(
      'invalid',
      `client version ${version} is too new. Maximum supported API version is ${apiVersion}`,
    )
  if ((order ?? minor - oldest) < 0)
    throw new EngineError(
      'invalid',
      `client version ${version} is too old. Minimum supported API version is ${minApiVersion}, please upgrade your client to a newer version`,
    )
  return { path: joinNames(path), search, minor }
}

const actions = ['json', 'history', 'tag', 'get', 'push', 'enable', 'disable', 'upgrade', 'set']

/** Names with slashes stand unescaped in docker's paths (`/images/ghcr.io/a/b:1/json`): they become one segment. */
function joinNames(path: string): string {
  const match = /^\/(images|distribution|plugins)\/(.+)$/.exec(path)
  const [, collection, rest = ''] = match ?? []
  if (collection === undefined || !rest.includes('/')) return path
  const slash = rest.lastIndexOf('/')
  const action = rest.slice(slash + 1)
  return actions.includes(action)
    ? `/${collection}/${rest.slice(0, slash).replaceAll('/', '%2F')}/${action}`
    : `/${collection}/${rest.replaceAll('/', '%2F')}`
}

function minorOf(version: string): number {
  return Number(version.split('.')[1])
}
