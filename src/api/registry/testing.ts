/** A registry of its own on a port of its own, for tests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import {
  digestOf,
  FilesStorage,
  openS3Storage,
  parseS3Location,
  Registry,
  type Storage,
} from '../../distribution/index.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { RegistryApi, type RegistryApiOptions } from './server.ts'

export const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
}

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/**
 * Files; or objects in the bucket `images` of the S3 server that GANTRY_TEST_S3 names, each registry's below a prefix of its own
 * (tests/system/registry-spec-s3.test.ts).
 */
async function openStorage(directory: string): Promise<Storage> {
  const endpoint = process.env['GANTRY_TEST_S3']
  if (endpoint === undefined) return await FilesStorage.open(directory)
  const settings = parseS3Location(`s3://images/${basename(directory)}`, {
    endpoint,
    credentials: () => Promise.resolve({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }),
  })
  return await openS3Storage(background(silentLogger), { ...settings, partSize: 5 << 20, pauseMs: 10 })
}

type ServerOptions = Partial<Omit<RegistryApiOptions, 'registry'>>

export class TestServer implements AsyncDisposable {
  readonly registry: Registry
  readonly directory: string
  readonly url: string
  readonly #close: () => Promise<void>

  private constructor(o: { registry: Registry; directory: string; url: string; close: () => Promise<void> }) {
    this.registry = o.registry
    this.directory = o.directory
    this.url = o.url
    this.#close = o.close
  }

  /** `directory`: that of a server before, which is then not removed. */
  static async start(o: ServerOptions & { directory?: string } = {}): Promise<TestServer> {
    const { directory = mkdtempSync(join(tmpdir(), 'gantry-registry-')), ...options } = o
    const storage = await openStorage(directory)
    const registry = await Registry.open({
      storage,
      spool: join(directory, 'uploads'),
    })
    const close = async () => {
      await registry[Symbol.asyncDispose]()
      if (o.directory === undefined) rmSync(directory, { recursive: true })
    }
    return await TestServer.#serve(registry, options, { directory, close })
  }

  /** A second server for a registry that somebody else closes. */
  static over(registry: Registry, options: ServerOptions): Promise<TestServer> {
    return TestServer.#serve(registry, options, { directory: '', close: () => Promise.resolve() })
  }

  static async #serve(
    registry: Registry,
    options: ServerOptions,
    o: { directory: string; close: () => Promise<void> },
  ): Promise<TestServer> {
    const api = new RegistryApi({ log: silentLogger, ...options, registry })
    const server = createServer(api.listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const close = async () => {
      await api.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await o.close()
    }
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return new TestServer({ registry, directory: o.directory, url, close })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }

  /** A request for a path, or for a `Location`. Redirects are not followed. */
  ask(
    method: string,
    path: string,
    o: { headers?: Readonly<Record<string, string>>; body?: string | Uint8Array<ArrayBuffer> } = {},
  ): Promise<Response> {
    const { headers = {}, body } = o
    return fetch(new URL(path, this.url), {
      method,
      headers,
      redirect: 'manual',
      ...(body !== undefined && { body }),
    })
  }

  /** Pushes a blob with POST and PUT. */
  async pushBlob(
    name: string,
    data: string | Uint8Array<ArrayBuffer>,
    mediaType = types.layer,
  ): Promise<Descriptor> {
    const digest = digestOf(data)
    const begun = await this.ask('POST', `/v2/${name}/blobs/uploads/`)
    const location = new URL(begun.headers.get('location') ?? '', this.url)
    location.searchParams.set('digest', digest)
    const done = await this.ask('PUT', location.href, {
      body: data,
      headers: { 'Content-Type': 'application/octet-stream' },
    })
    if (done.status !== 201) throw new Error(`the blob was refused: ${done.status} ${await done.text()}`)
    return { mediaType, digest, size: Buffer.byteLength(data) }
  }

  /** Pushes a document as it is; `reference` undefined: by its digest. */
  async pushManifest(
    name: string,
    reference: string | undefined,
    document: object,
    mediaType: string = types.manifest,
  ): Promise<Descriptor & { response: Response; text: string }> {
    const text = JSON.stringify(document)
    const digest = digestOf(text)
    const response = await this.ask('PUT', `/v2/${name}/manifests/${reference ?? digest}`, {
      body: text,
      headers: { 'Content-Type': mediaType },
    })
    return { mediaType, digest, size: Buffer.byteLength(text), response, text }
  }

  /** Pushes an image of one configuration and the layers. */
  async pushImage(name: string, reference: string | undefined, o: { layers?: string[]; more?: object } = {}) {
    const config = await this.pushBlob(name, '{}', types.config)
    const layers = await Promise.all((o.layers ?? ['layer']).map((data) => this.pushBlob(name, data)))
    const document = { schemaVersion: 2, mediaType: types.manifest, config, layers, ...o.more }
    return await this.pushManifest(name, reference, document)
  }
}
