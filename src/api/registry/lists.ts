import { DistributionError, parseDigest, type ReferrerRecord } from '../../distribution/index.ts'
import { AnswerError } from './errors.ts'
import type { Call, RepositoryCall } from './call.ts'
import { pathOf, sendJson } from './respond.ts'

/** Names in an answer when the client does not say how many it wants, and at most. */
const catalogPage = 1000
/** Bytes of descriptors in one answer: as large as a manifest may be. */
const referrersPage = 4 << 20

/** "Listing Tags". */
export async function listTags(call: RepositoryCall): Promise<void> {
  const { repository, query } = call
  const limit = limitOf(query)
  const last = query.get('last') ?? undefined
  const all = await repository.tags.sorted(call.op, last)
  const tags = all.slice(0, limit)
  const more = tags.length > 0 && tags.length < all.length
  if (all.length === 0 && !(await repository.exists(call.op)))
    throw new DistributionError('NAME_UNKNOWN', `no repository ${JSON.stringify(repository.name)}`, {
      name: repository.name,
    })
  const next = more && new URLSearchParams({ n: String(limit), last: tags.at(-1) ?? '' })
  sendJson(call, { name: repository.name, tags }, linkTo(pathOf(repository.name, 'tags/list'), next))
}

/** Docker's list of repositories, which the specification keeps the name of. */
export async function catalog(call: Call): Promise<void> {
  const limit = Math.min(limitOf(call.query) ?? catalogPage, catalogPage)
  const last = call.query.get('last') ?? undefined
  const repositories: string[] = []
  let more = false
  if (limit > 0)
    for await (const name of call.registry.repositories(call.op, last)) {
      if (!call.identity.sees(name)) continue
      more = repositories.length === limit
      if (more) break
      repositories.push(name)
    }
  const next = more && new URLSearchParams({ n: String(limit), last: repositories.at(-1) ?? '' })
  sendJson(call, { repositories }, linkTo('/v2/_catalog', next))
}

/** "Listing Referrers". An unknown subject has none. */
export async function listReferrers(call: RepositoryCall, text: string): Promise<void> {
  const { repository, query } = call
  const subject = parseDigest(text)
  const type = query.get('artifactType')
  const manifests: ReferrerRecord[] = []
  let size = 0
  let next: URLSearchParams | false = false
  for await (const referrer of repository.referrers(call.op, subject, query.get('last') ?? undefined)) {
    if (type !== null && referrer.artifactType !== type) continue
    size += JSON.stringify(referrer).length
    const last = manifests.at(-1)
    if (last && size > referrersPage) {
      next = new URLSearchParams({ ...(type !== null && { artifactType: type }), last: hexOf(last.digest) })
      break
    }
    manifests.push(referrer)
  }
  sendJson(
    call,
    { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests },
    {
      'Content-Type': 'application/vnd.oci.image.index.v1+json',
      ...(type !== null && { 'OCI-Filters-Applied': 'artifactType' }),
      ...linkTo(pathOf(repository.name, `referrers/${subject}`), next),
    },
  )
}

const hexOf = (digest: string) => digest.slice(digest.indexOf(':') + 1)

/** RFC 5988. */
function linkTo(path: string, next: URLSearchParams | false): Readonly<Record<string, string>> {
  return next === false ? {} : { Link: `<${path}?${next.toString()}>; rel="next"` }
}

function limitOf(query: URLSearchParams): number | undefined {
  const text = query.get('n')
  if (text === null) return undefined
  if (!/^\d{1,9}$/.test(text))
    throw new AnswerError({
      status: 400,
      errors: [
        {
          code: 'UNSUPPORTED',
          message: `invalid number of results ${JSON.stringify(text.slice(0, 50))}`,
        },
      ],
    })
  return Number(text)
}
