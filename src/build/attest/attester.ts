import {
  documentOf,
  manifestOf,
  ociTypes,
  type Descriptor,
  type Document,
  type Image,
  type OciImage,
} from '../../image/index.ts'
import { attempt } from '../../lib/attempt.ts'
import { hexOf, type Digest } from '../../lib/digest.ts'
import { newId } from '../../lib/id.ts'
import { detached, type Op } from '../../lib/op.ts'
import { familiarName, type Reference } from '../../lib/reference.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { BuildRequest } from '../request.ts'
import type { Io } from '../solver/vertex.ts'
import { provenanceOf, type Material } from './provenance.ts'
import { sbomOf } from './sbom.ts'

/** What is to be said about an image beside it. */
export interface Attestations {
  readonly sbom?: boolean
  readonly provenance?: 'min' | 'max'
}

export function wantsAttestations({ attestations }: Pick<BuildRequest, 'attestations'>): boolean {
  const { sbom, provenance } = attestations ?? {}
  return sbom === true || provenance !== undefined
}

const inToto = 'application/vnd.in-toto+json'

/** Says what the attestations of one build say. */
export class Attester {
  readonly #request: BuildRequest
  readonly #snapshots: Snapshots
  readonly #lease: Lease
  readonly #id: string
  readonly #materials = new Map<string, Material>()
  readonly #startedAt = new Date().toISOString()
  /** Set once it has been read. */
  dockerfile = { name: 'Dockerfile', text: '' }

  constructor(request: BuildRequest, o: { snapshots: Snapshots; lease: Lease; id: string }) {
    this.#request = request
    this.#snapshots = o.snapshots
    this.#lease = o.lease
    this.#id = o.id
  }

  get wanted(): boolean {
    return wantsAttestations(this.#request)
  }

  usesImage(reference: string, image: Image): void {
    this.#materials.set(reference, { reference, image })
  }

  /** The manifest of the attestations for an image's manifest, and the documents that it leads to. */
  async attest(
    op: Op,
    o: { config: OciImage; manifest: Descriptor; names: readonly Reference[]; io: Io },
  ): Promise<{ manifest: Document; descriptor: Descriptor; documents: Document[] }> {
    const { sbom, provenance } = this.#request.attestations ?? {}
    const { config, manifest } = o
    const statements: { type: string; document: Document }[] = []
    const state = (type: string, predicate: object) => {
      const statement = {
        _type: 'https://in-toto.io/Statement/v0.1',
        predicateType: type,
        subject: subjectsOf(o),
        predicate,
      }
      statements.push({ type, document: documentOf(inToto, statement) })
    }
    if (sbom) {
      const done = o.io.status('listing packages')
      state(
        'https://spdx.dev/Document',
        await this.#sbom(op, { config, manifest: manifest.digest, names: o.names }),
      )
      done()
    }
    if (provenance !== undefined)
      state(
        'https://slsa.dev/provenance/v0.2',
        provenanceOf({
          mode: provenance,
          request: this.#request,
          materials: [...this.#materials.values()],
          config,
          id: this.#id,
          dockerfile: this.dockerfile,
          startedAt: this.#startedAt,
        }),
      )
    const own = documentOf(ociTypes.config, {
      architecture: 'unknown',
      os: 'unknown',
      config: {},
      rootfs: { type: 'layers', diff_ids: statements.map(({ document }) => document.descriptor.digest) },
    })
    const plain = manifestOf({ config: own.descriptor, layers: [], oci: true })
    const parsed = JSON.parse(plain.data.toString('utf8')) as object
    const made = documentOf(ociTypes.manifest, {
      ...parsed,
      layers: statements.map(({ type, document }) => ({
        ...document.descriptor,
        annotations: { 'in-toto.io/predicate-type': type },
      })),
    })
    o.io.status(`exporting attestation manifest ${made.descriptor.digest}`)()
    const descriptor = {
      ...made.descriptor,
      annotations: {
        'vnd.docker.reference.digest': manifest.digest,
        'vnd.docker.reference.type': 'attestation-manifest',
      },
      platform: { architecture: 'unknown', os: 'unknown' },
    }
    return { manifest: made, descriptor, documents: [own, ...statements.map(({ document }) => document)] }
  }

  async #sbom(
    op: Op,
    o: { config: OciImage; manifest: Digest; names: readonly Reference[] },
  ): Promise<object> {
    const id = `b${newId().slice(0, 12)}`
    const [first] = o.names
    const name = first ? `${familiarName(first)}:${first.tag ?? 'latest'}` : o.manifest
    await using undo = new AsyncDisposableStack()
    const removed = () => this.#snapshots.remove(detached(op, 30_000), id)
    undo.defer(() => attempt(op, 'remove the workspace of a list of packages', removed, { id }))
    this.#lease.add(`workspace:${id}`)
    await this.#snapshots.prepare(op, id, { lowers: o.config.rootfs.diff_ids })
    return await sbomOf(op, { ...o, name, tree: this.#snapshots.exportTar(op, id) })
  }
}

function subjectsOf(o: { config: OciImage; manifest: Descriptor; names: readonly Reference[] }): object[] {
  const { os, architecture } = o.config
  const digest = { sha256: hexOf(o.manifest.digest) }
  const platform = encodeURIComponent(`${os}/${architecture}`)
  if (o.names.length === 0) return [{ name: '_', digest }]
  return o.names.map((name) => ({
    name: `pkg:docker/${familiarName(name)}@${encodeURIComponent(name.tag ?? 'latest')}?platform=${platform}`,
    digest,
  }))
}
