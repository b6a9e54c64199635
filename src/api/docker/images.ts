import { createReadStream } from 'node:fs'
import { applyChanges } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import type { Image } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { shownUrl } from '../../lib/git-url.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { encodeInspect, olderInspect } from './encode-image.ts'
import { Filters, parseTime } from './filters.ts'
import { isDangling, listImages, manifestsOf } from './list-images.ts'
import { platformIn, platformsIn } from './platform.ts'
import { pull } from './registry.ts'
import { sendEmpty, sendJson, sendProgress, sendStream } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<
  Engine,
  'builder' | 'containers' | 'distribution' | 'images' | 'removeImage' | 'pruneImages' | 'snapshots'
>

export function imageRoutes(engine: Deps): Route[] {
  const { images } = engine
  const nameOf = (call: Call) => call.params['name'] ?? ''
  return [
    { method: 'GET', path: '/images/json', handler: (call) => listImages(engine, call) },
    {
      method: 'GET',
      path: '/images/:name/json',
      handler: (call) => inspect(engine, call),
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
        const force = call.query.flag('force')
        const noPrune = call.query.flag('noprune')
        const platforms = platformsIn(call.query)
        const removed = await engine.removeImage(call.committed, nameOf(call), { force, noPrune, platforms })
        sendJson(call.response, removed)
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

/** Docker: manifests are told since 1.48, and of a name as a whole. */
async function inspect(engine: Deps, call: Call): Promise<void> {
  const wanted = call.query.flag('manifests') && call.minor >= 48
  if (wanted && call.query.has('platform'))
    throw new EngineError('invalid', 'conflicting options: manifests and platform options cannot both be set')
  const image = imageFor(engine.images, call)
  const manifests = wanted ? await manifestsOf(engine, call, image) : {}
  const agent = call.request.headers['user-agent'] ?? ''
  const older = olderInspect(image, { minor: call.minor, agent })
  sendJson(call.response, {
    ...encodeInspect(image, engine.snapshots.graphData(image.layers)),
    ...older,
    ...manifests,
  })
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
  // Docker: without a scheme it is http.
  const url = source === '-' ? undefined : /^https?:\/\//.test(source) ? source : `http://${source}`
  if (url !== undefined && !URL.canParse(url))
    throw new EngineError('invalid', `cannot import from ${JSON.stringify(source)}: want - or an http(s) URL`)
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
    if (url !== undefined) yield { status: `Downloading from ${shownUrl(url)}` }
    await using file = url === undefined ? undefined : await engine.builder.fetch(call.op, url)
    const message = query.text('message') || (url === undefined ? '' : `Imported from ${shownUrl(url)}`)
    const archive = file ? createReadStream(file.path) : call.request
    const image = await engine.images.import(call.op, archive, {
      ...(ref === undefined ? {} : { ref }),
      ...(message === '' ? {} : { message }),
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
