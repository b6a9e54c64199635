/** OCI Distribution Specification 1.1, "Content Discovery", "Upgrade Procedures": each test begins with what it says there. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../distribution/index.ts'
import { TestServer, types } from './testing.ts'

let server: TestServer
before(async () => void (server = await TestServer.start()))
after(() => server[Symbol.asyncDispose]())

async function list(
  path: string,
): Promise<{ status: number; tags: string[]; link: string | null; name: string }> {
  const response = await server.ask('GET', path)
  const body = (await response.json()) as { name: string; tags: string[] }
  return { status: response.status, link: response.headers.get('link'), ...body }
}

interface Referrers {
  readonly schemaVersion: number
  readonly mediaType: string
  readonly manifests: {
    readonly mediaType: string
    readonly digest: string
    readonly size: number
    readonly artifactType?: string
    readonly annotations?: Record<string, string>
  }[]
}

async function referrers(path: string): Promise<Referrers & { response: Response }> {
  const response = await server.ask('GET', path)
  assert.equal(response.status, 200)
  return { response, ...((await response.json()) as Referrers) }
}

describe('Listing Tags (end-8a)', () => {
  test('a repository that is found MUST be 200; the list MAY be empty', async () => {
    await server.pushImage('tags/none', undefined)
    assert.deepEqual(await list('/v2/tags/none/tags/list'), {
      status: 200,
      link: null,
      name: 'tags/none',
      tags: [],
    })
    const unknown = await server.ask('GET', '/v2/tags/nowhere/tags/list')
    assert.equal(unknown.status, 404)
    assert.match(await unknown.text(), /NAME_UNKNOWN/)
  })

  test('the body MUST be JSON with name and tags; tags MUST be in lexical order (case-insensitive alphanumeric)', async () => {
    for (const tag of ['b', 'C', 'a', '10', '9', 'B', '_x', 'a-1', 'A.1', 'a1'])
      await server.pushImage('tags/order', tag)
    const response = await server.ask('GET', '/v2/tags/order/tags/list')
    assert.equal(response.headers.get('content-type'), 'application/json')
    assert.deepEqual(await response.json(), {
      name: 'tags/order',
      tags: ['10', '9', '_x', 'a', 'a-1', 'A.1', 'a1', 'B', 'b', 'C'],
    })
  })
})

describe('Listing Tags: n and last (end-8b)', () => {
  before(async () => {
    for (const tag of ['v1', 'v2', 'V3', 'v4', 'v5']) await server.pushImage('tags/pages', tag)
  })

  test('n: the response MUST include that many, unless there are fewer; more are told by a Link', async () => {
    const first = await list('/v2/tags/pages/tags/list?n=2')
    assert.deepEqual(first.tags, ['v1', 'v2'])
    for (const n of [5, 6, 1000000]) {
      const all = await list(`/v2/tags/pages/tags/list?n=${n}`)
      assert.deepEqual([all.tags.length, all.link], [5, null])
    }
  })

  test('Link MUST be set according to RFC 5988 with rel="next", and leads through all of them', async () => {
    const found: string[] = []
    let path = '/v2/tags/pages/tags/list?n=2'
    for (let page = 0; page < 3; page++) {
      const { tags, link } = await list(path)
      found.push(...tags)
      if (page === 2) assert.equal(link, null)
      else path = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1] ?? assert.fail(`link ${link}`)
    }
    assert.deepEqual(found, ['v1', 'v2', 'V3', 'v4', 'v5'])
  })

  test('n=0 MUST be an empty list, and MUST NOT include a Link', async () => {
    const { status, tags, link } = await list('/v2/tags/pages/tags/list?n=0')
    assert.deepEqual([status, tags, link], [200, [], null])
  })

  test('last: the list begins non-inclusively with it, whether that tag is there or not; n is OPTIONAL', async () => {
    assert.deepEqual((await list('/v2/tags/pages/tags/list?last=v2')).tags, ['V3', 'v4', 'v5'])
    assert.deepEqual((await list('/v2/tags/pages/tags/list?n=1&last=v2')).tags, ['V3'])
    assert.deepEqual((await list('/v2/tags/pages/tags/list?last=v3x')).tags, ['v4', 'v5'])
    assert.deepEqual((await list('/v2/tags/pages/tags/list?last=v5')).tags, [])
  })

  test('n that is no number is 400', async () => {
    for (const n of ['x', '-1', '1.5', '99999999999', ''])
      assert.equal((await server.ask('GET', `/v2/tags/pages/tags/list?n=${n}`)).status, 400, n)
  })
})

describe('Listing Referrers (end-12a)', () => {
  test('a digest with an invalid syntax MUST be 400; there MUST NOT be a 404', async () => {
    for (const digest of ['x', 'sha256:x', `sha256:${'a'.repeat(63)}`, `md5:${'a'.repeat(32)}`])
      assert.equal((await server.ask('GET', `/v2/referrers/bad/referrers/${digest}`)).status, 400, digest)
    for (const path of ['referrers/nowhere', 'referrers/of']) {
      const found = await referrers(`/v2/${path}/referrers/${digestOf('nothing')}`)
      assert.deepEqual(found.manifests, [])
    }
  })

  test('success MUST be an image index of that Content-Type; no matching referrers MUST be an empty list', async () => {
    const image = await server.pushImage('referrers/none', 'v1')
    const found = await referrers(`/v2/referrers/none/referrers/${image.digest}`)
    assert.equal(found.response.headers.get('content-type'), types.index)
    assert.deepEqual([found.schemaVersion, found.mediaType, found.manifests], [2, types.index, []])
  })

  test('descriptors MUST have the artifactType, of the configuration when empty, none for an index; and the annotations', async () => {
    const name = 'referrers/of'
    const { mediaType, digest, size } = await server.pushImage(name, 'v1')
    const subject = { mediaType, digest, size }
    const annotations = { 'org.example.a': 'b' }
    const own = await server.pushImage(name, undefined, {
      more: { subject, artifactType: 'application/vnd.example.sbom', annotations },
    })
    const ofConfig = await server.pushImage(name, undefined, { more: { subject } })
    const empty = await server.pushImage(name, undefined, {
      more: { subject, artifactType: '', annotations: { empty: 'type' } },
    })
    const index = { schemaVersion: 2, mediaType: types.index, manifests: [], subject }
    const typed = { ...index, artifactType: 'application/vnd.example.typed' }
    const pushed = await server.pushManifest(name, undefined, index, types.index)
    const pushedTyped = await server.pushManifest(name, undefined, typed, types.index)
    const elsewhere = await server.pushImage('referrers/elsewhere', undefined, {
      more: { subject, annotations: { else: 'where' } },
    })
    const { manifests } = await referrers(`/v2/${name}/referrers/${digest}`)
    const expected = [
      { of: own, artifactType: 'application/vnd.example.sbom', annotations },
      { of: ofConfig, artifactType: types.config },
      { of: empty, artifactType: types.config, annotations: { empty: 'type' } },
      { of: pushed },
      { of: pushedTyped, artifactType: 'application/vnd.example.typed' },
    ].map(({ of, ...rest }) => ({ mediaType: of.mediaType, digest: of.digest, size: of.size, ...rest }))
    const byDigest = (a: { digest: string }, b: { digest: string }) => (a.digest < b.digest ? -1 : 1)
    assert.deepEqual(manifests.toSorted(byDigest), expected.toSorted(byDigest))
    assert(!manifests.some((one) => one.digest === elsewhere.digest))
  })

  test('a Link MUST be included when the list cannot be returned in a single manifest', async () => {
    const subject = { mediaType: types.manifest, digest: digestOf('much referred to'), size: 1 }
    const expected = new Set<string>()
    for (let count = 0; count < 5; count++) {
      const annotations = { pad: String(count).repeat(1_500_000) }
      const { digest } = await server.pushImage('referrers/many', undefined, {
        more: { subject, annotations },
      })
      expected.add(digest)
    }
    const path = `/v2/referrers/many/referrers/${subject.digest}?artifactType=${encodeURIComponent(types.config)}`
    const found: string[] = []
    let pages = 0
    for (let next: string | undefined = path; next !== undefined; pages++) {
      const { manifests, response } = await referrers(next)
      found.push(...manifests.map((one) => one.digest))
      const link = response.headers.get('link')
      next = link === null ? undefined : (/^<([^>]+)>; rel="next"$/.exec(link)?.[1] ?? assert.fail(link))
    }
    assert.equal(pages, 3)
    assert.equal(found.length, 5)
    assert.deepEqual(new Set(found), expected)
  })
})

describe('Listing Referrers: filter (end-12b)', () => {
  test('if filtering is requested and applied, the response MUST include OCI-Filters-Applied: artifactType', async () => {
    const subject = { mediaType: types.manifest, digest: digestOf('filtered'), size: 1 }
    const sbom = 'application/vnd.example.sbom+json'
    const one = await server.pushImage('referrers/filter', undefined, {
      more: { subject, artifactType: sbom },
    })
    await server.pushImage('referrers/filter', undefined, { more: { subject, artifactType: 'x/y' } })
    const path = `/v2/referrers/filter/referrers/${subject.digest}`
    const all = await referrers(path)
    assert.equal(all.manifests.length, 2)
    assert.equal(all.response.headers.get('oci-filters-applied'), null)
    const filtered = await referrers(`${path}?artifactType=${encodeURIComponent(sbom)}`)
    assert.equal(filtered.response.headers.get('oci-filters-applied'), 'artifactType')
    assert.deepEqual(
      filtered.manifests.map(({ digest }) => digest),
      [one.digest],
    )
    assert.deepEqual((await referrers(`${path}?artifactType=z`)).manifests, [])
  })
})

describe('Enabling the Referrers API', () => {
  test('manifests that an index of the referrers tag schema lists, and all pushed later, MUST be included', async () => {
    const name = 'referrers/schema'
    const { mediaType, digest, size } = await server.pushImage(name, 'v1')
    const subject = { mediaType, digest, size }
    // What a client does that does not know of the API: pushes the referrer, and lists it under a tag of its own.
    const referrer = await server.pushImage(name, undefined, { more: { subject } })
    const tag = digest.replace(':', '-')
    const entry = { mediaType: referrer.mediaType, digest: referrer.digest, size: referrer.size }
    const index = { schemaVersion: 2, mediaType: types.index, manifests: [entry] }
    const pushed = await server.pushManifest(name, tag, index, types.index)
    assert.equal(pushed.response.status, 201)
    const { manifests } = await referrers(`/v2/${name}/referrers/${digest}`)
    assert.deepEqual(
      manifests.map((one) => one.digest),
      [referrer.digest],
    )
    // And its tag is as good as any.
    assert.equal(await (await server.ask('GET', `/v2/${name}/manifests/${tag}`)).text(), pushed.text)
  })
})

describe("docker's catalog", () => {
  test('repositories are listed in pages, each once, in order', async () => {
    await using other = await TestServer.start()
    const names = ['a', 'a/b', 'a/b/c', 'a-b', 'a-b/c', 'b/c', 'c', 'c0', 'd/e/f/g']
    for (const name of names.toReversed()) await other.pushImage(name, 'v1')
    const found: string[] = []
    let pages = 0
    for (let next: string | undefined = '/v2/_catalog?n=2'; next !== undefined; pages++) {
      const response: Response = await other.ask('GET', next)
      const { repositories } = (await response.json()) as { repositories: string[] }
      found.push(...repositories)
      const link = response.headers.get('link')
      next = link === null ? undefined : (/^<([^>]+)>; rel="next"$/.exec(link)?.[1] ?? assert.fail(link))
    }
    assert.deepEqual([found, pages], [names, 5])
    const after = async (last: string) => {
      const response = await other.ask('GET', `/v2/_catalog?last=${encodeURIComponent(last)}`)
      return ((await response.json()) as { repositories: string[] }).repositories
    }
    for (const [index, name] of names.entries())
      assert.deepEqual(await after(name), names.slice(index + 1), name)
    assert.deepEqual(await after('b'), ['b/c', 'c', 'c0', 'd/e/f/g'])
    assert.deepEqual(await after('a/b/zz'), ['a-b', 'a-b/c', 'b/c', 'c', 'c0', 'd/e/f/g'])
    assert.deepEqual(await after('../..'), names)
  })
})
