import { applyChanges } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import type { Image } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { familiar, familiarName, parseReference } from '../../lib/reference.ts'
import type { ImageInspect, ImageSummary, ProgressMessage } from '../../wire/image.ts'
import { Filters, parseTime } from './filters.ts'
import { platformIn } from './platform.ts'
import { pull } from './registry.ts'
import { sendEmpty, sendJson, sendProgress, sendStream, unsupported } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<
  Engine,
  'containers' | 'distribution' | 'images' | 'removeImage' | 'pruneImages' | 'snapshots'
>

export function imageRoutes(engine: Deps): Route[] {
  const { images } = engine
  const nameOf = (call: Call) => call.params['name'] ?? ''
  return [
    { method: 'GET', path: '/images/json', handler: (call) => list(engine, call) },
    {
      method: 'GET',
      path: '/images/:name/json',
      handler: (call) => {
        refuseQuery(call, ['manifests'])
        sendJson(call.response, encodeInspect(imageFor(images, call)))
      },
    },
    {
      method: 'GET',
      path: '/images/:name/history',
      handler: (call) => sendJson(call.response, images.history(imageFor(images, call))),
    },
    {
      method: 'POST',
      path: '/images/:name/tag',
      handler: async (call) => {
        const repository = call.query.text('repo')
        const tag = call.query.text('tag')
        if (repository === '') throw new EngineError('invalid', 'invalid reference format')
        await images.tag(call.committed, nameOf(call), tag === '' ? repository : `${repository}:${tag}`)
        sendEmpty(call.response, 201)
      },
    },
    {
      method: 'DELETE',
      path: '/images/:name',
      handler: async (call) => {
        refuseQuery(call, ['platforms'])
        const force = call.query.flag('force')
        const noPrune = call.query.flag('noprune')
        sendJson(call.response, await engine.removeImage(call.committed, nameOf(call), { force, noPrune }))
      },
    },
    { method: 'POST', path: '/images/load', handler: (call) => load(engine, call) },
    { method: 'GET', path: '/images/get', handler: (call) => save(engine, call, call.query.all('names')) },
    { method: 'GET', path: '/images/:name/get', handler: (call) => save(engine, call, [nameOf(call)]) },
    { method: 'POST', path: '/images/create', handler: (call) => create(engine, call) },
    { method: 'POST', path: '/images/prune', handler: (call) => prune(engine, call) },
  ]
}

/** The image that the path names: with `platform`, the one of those that the name stands for. */
function imageFor(images: Deps['images'], call: Call): Image {
  const name = call.params['name'] ?? ''
  const platform = platformIn(call.query)
  return platform ? images.findFor(name, platform) : images.find(name)
}

/** Parameters that would change the answer and that nothing obeys yet. */
function refuseQuery(call: Call, names: readonly string[]): void {
  for (const name of names)
    if (call.query.has(name) && call.query.flag(name))
      throw unsupported(
        `the query parameter "${name}" of ${call.request.method} ${new URL(call.request.url ?? '/', 'http://d').pathname}`,
      )
}

const seconds = (time: string | undefined) => Math.floor(Date.parse(time ?? '') / 1000) || 0

const listFilters = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until']

function list(engine: Deps, call: Call): void {
  refuseQuery(call, ['manifests'])
  const { query } = call
  const filters = Filters.of(query, listFilters)
  const { images } = engine
  const age = (ref: string) => Date.parse(images.find(ref).createdAt)
  const dangling = filters.flag('dangling')
  const until = filters.get('until')[0]
  const selected = images
    .list()
    .map((image) => withMatchingNames(image, filters.get('reference')))
    .filter(
      (image): image is Image =>
        image !== undefined &&
        // Named by another image's name: shown with all that has no name of its own.
        (query.flag('all') || image.refs.length > 0 || !images.isMember(image.id)) &&
        (dangling === undefined || dangling === isDangling(engine, image)) &&
        filters.labels(image.config.config?.Labels) &&
        filters.withoutLabels(image.config.config?.Labels) &&
        filters.any('before', (ref) => Date.parse(image.createdAt) < age(ref)) &&
        filters.any('since', (ref) => Date.parse(image.createdAt) > age(ref)) &&
        (until === undefined || Date.parse(image.createdAt) < parseTime(until) * 1000),
    )
    .sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
  const shared = query.flag('shared-size')
  const rows = selected.map((image) =>
    encodeSummary(image, {
      sharedSize: shared ? images.sharedSize(image) : -1,
      containers: engine.containers.list().filter((c) => c.imageId === image.id).length,
      minor: call.minor,
    }),
  )
  sendJson(call.response, rows)
}

const isDangling = ({ images }: Deps, image: Image): boolean =>
  image.refs.length === 0 && !images.isMember(image.id)

/** Docker: `reference` shows of an image only the names that match. */
function withMatchingNames(image: Image, patterns: readonly string[]): Image | undefined {
  if (patterns.length === 0) return image
  const refs = image.refs.filter((ref) => patterns.some((pattern) => matchesReference(ref, pattern)))
  const digests = image.digests.filter((ref) => patterns.some((pattern) => matchesReference(ref, pattern)))
  return refs.length + digests.length > 0 ? { ...image, refs, digests } : undefined
}

/** Go's path.Match over the familiar name, with and without the tag. */
function matchesReference(ref: string, pattern: string): boolean {
  const parsed = parseReference(ref)
  const glob = globOf(pattern)
  return glob.test(familiar(parsed)) || glob.test(familiarName(parsed))
}

function globOf(pattern: string): RegExp {
  const source = pattern
    .slice(0, 512)
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  try {
    return new RegExp(`^${source}$`)
  } catch (cause) {
    throw new EngineError('invalid', `invalid filter 'reference=${pattern}'`, { cause })
  }
}

const familiarOf = (ref: string) => familiar(parseReference(ref))

export function encodeSummary(
  image: Image,
  o: { sharedSize: number; containers: number; minor: number },
): ImageSummary {
  const tags = image.refs.map(familiarOf)
  const digests = image.digests.map(familiarOf)
  // Docker: before 1.43 nameless images had a name that said so.
  const old = o.minor < 43
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: tags.length === 0 && old ? ['<none>:<none>'] : tags,
    RepoDigests: digests.length === 0 && old ? ['<none>@<none>'] : digests,
    Created: seconds(image.createdAt),
    Size: image.size,
    SharedSize: o.sharedSize,
    Labels: image.config.config?.Labels ?? null,
    Containers: o.containers,
  }
}

function encodeInspect(image: Image): ImageInspect {
  const { config } = image
  return {
    Id: image.id,
    RepoTags: image.refs.map(familiarOf),
    RepoDigests: image.digests.map(familiarOf),
    Parent: '',
    Comment: config.history?.at(-1)?.comment ?? '',
    ...(config.created === undefined ? {} : { Created: config.created }),
    Author: config.author ?? '',
    Config: config.config ?? {},
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: image.size,
    GraphDriver: { Name: 'overlayfs', Data: {} },
    RootFS: { Type: 'layers', Layers: [...image.layers] },
    Metadata: { LastTagTime: image.lastTaggedAt ?? '0001-01-01T00:00:00Z' },
  }
}

async function load(engine: Deps, call: Call): Promise<void> {
  const quiet = call.query.flag('quiet')
  const messages = engine.images.load(call.op, call.request, { platform: platformIn(call.query) })
  await sendProgress(call, quiet ? withoutStatus(messages) : messages)
}

async function* withoutStatus(messages: AsyncIterable<ProgressMessage>): AsyncIterable<ProgressMessage> {
  for await (const message of messages) if (message.status === undefined) yield message
}

async function save(engine: Deps, call: Call, names: readonly string[]): Promise<void> {
  const platform = platformIn(call.query)
  if (names.length === 0) throw new EngineError('invalid', 'no image names were given')
  // Found before the headers go: a stream that has begun can no longer say which one is missing.
  for (const name of names)
    if (platform) engine.images.findFor(name, platform)
    else engine.images.find(name)
  await sendStream(call, engine.images.save(call.op, names, { platform }), 'application/x-tar')
}

async function create(engine: Deps, call: Call): Promise<void> {
  const { query } = call
  if (query.text('fromImage') !== '') return await pull(engine, call)
  const source = query.text('fromSrc')
  if (source === '') throw new EngineError('invalid', 'want fromImage or fromSrc')
  if (source !== '-') throw unsupported('importing from a URL')
  const config = await applyChanges(
    call.op,
    {},
    query.all('changes').filter((line) => line !== ''),
  )
  const platform = query.text('platform')
  const repository = query.text('repo')
  const tag = query.text('tag')
  const ref = repository === '' ? undefined : tag === '' ? repository : `${repository}:${tag}`
  const run = async function* (): AsyncIterable<ProgressMessage> {
    const image = await engine.images.import(call.op, call.request, {
      ...(ref === undefined ? {} : { ref }),
      ...(query.has('message') ? { message: query.text('message') } : {}),
      config,
      ...(platform === '' ? {} : { platform: parsePlatform(platform) }),
    })
    yield { status: image.id }
  }
  await sendProgress(call, run())
}

function parsePlatform(text: string): { os: string; architecture: string; variant?: string } {
  const [os = '', architecture = '', variant] = text.toLowerCase().split('/')
  if (os !== 'linux' || architecture === '')
    throw new EngineError('invalid', `${JSON.stringify(text)}: want linux/<architecture>`)
  return { os, architecture, ...(variant === undefined ? {} : { variant }) }
}

async function prune(engine: Deps, call: Call): Promise<void> {
  const filters = Filters.of(call.query, ['dangling', 'until', 'label', 'label!'])
  // Docker: only nameless images unless dangling=false.
  const all = filters.flag('dangling') === false
  const until = filters.get('until')[0]
  const before = until === undefined ? Number.POSITIVE_INFINITY : parseTime(until) * 1000
  const { removed, bytes } = await engine.pruneImages(
    call.committed,
    (image) =>
      (all || isDangling(engine, image)) &&
      Date.parse(image.createdAt) < before &&
      filters.labels(image.config.config?.Labels) &&
      filters.withoutLabels(image.config.config?.Labels),
  )
  sendJson(call.response, { ImagesDeleted: removed, SpaceReclaimed: bytes })
}
