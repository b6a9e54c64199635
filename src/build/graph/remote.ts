import { messageOf } from '../../lib/errors.ts'
import type { Range } from '../dockerfile/source.ts'
import { makeVertex, type Vertex } from '../solver/vertex.ts'
import { fileNameOf } from '../source/download.ts'
import { checkCommit, parseGitSource, remoteKind, shownUrl } from '../../lib/git-url.ts'
import { located } from './located.ts'
import { fail, type Site } from './scope.ts'
import type { Tree } from './tree.ts'
import type { GitStep, HttpStep, Works } from './works.ts'

export interface RemoteScope {
  readonly site: Site
  readonly works: Works
  /** The only source of its instruction. */
  readonly alone: boolean
  readonly checksum?: { readonly text: string; readonly range: Range } | undefined
  readonly keepGitDir: boolean
}

/** ADD of an URL or a repository: the vertex that fetches it, and the pattern of what it gives. */
export function remoteSource(
  text: string,
  range: Range,
  scope: RemoteScope,
): { vertex: Vertex<Tree>; pattern: string } {
  return remoteKind(text) === 'git' ? gitSource(text, range, scope) : httpSource(text, range, scope)
}

function httpSource(url: string, range: Range, scope: RemoteScope) {
  const { site, checksum } = scope
  if (!URL.canParse(url)) throw fail(site, `invalid URL ${JSON.stringify(url)}`, range)
  if (checksum && !/^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/.test(checksum.text))
    throw fail(site, `invalid checksum digest format: ${checksum.text}`, checksum.range)
  const name = fileNameOf(url)
  const step: HttpStep = { url, name, ...(checksum && { checksum: checksum.text }) }
  const vertex = makeVertex(['http', { ...step }], {
    name: shownUrl(url),
    inputs: [],
    work: located(scope.works.http(step), { ...site, node: { ...site.node, range } }),
  })
  return { vertex, pattern: `/${name.replace(/[*?[\]\\]/g, '\\$&')}` }
}

function gitSource(text: string, range: Range, scope: RemoteScope) {
  const { site } = scope
  try {
    const source = parseGitSource(text)
    const checksum = (scope.checksum?.text ?? source.checksum)?.toLowerCase()
    if (checksum !== undefined) checkCommit(checksum)
    const keepGitDir = scope.keepGitDir || source.keepGitDir === true
    const step: GitStep = { source, keepGitDir, ...(checksum !== undefined && { checksum }) }
    const vertex = makeVertex(['git', { ...step, source: { ...source } }], {
      name: shownUrl(text),
      inputs: [],
      work: located(scope.works.git(step), { ...site, node: { ...site.node, range } }),
    })
    return { vertex, pattern: '.' }
  } catch (cause) {
    throw fail(site, messageOf(cause), range)
  }
}
