import type { OciImage } from '../../image/index.ts'
import { digestOf, hexOf, type Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { readTar, type Snapshots } from '../../snapshot/index.ts'
import {
  apkPackages,
  debPackages,
  npmPackage,
  osRelease,
  pythonPackage,
  type Found,
  type Distro,
} from './packages.ts'

/** Metadata of packages is text; what is larger than this is something else. */
const maxList = 64 << 20
const maxMetadata = 1 << 20
const maxPackages = 200_000

/** The packages of an image as an SPDX 2.3 document, from what package managers wrote into its files. */
export async function sbomOf(
  op: Op,
  o: { name: string; config: OciImage; manifest: Digest; tree: ReturnType<Snapshots['exportTar']> },
): Promise<object> {
  const packages = await scan(op, o.tree)
  const { name, config, manifest } = o
  const created = (config.created ?? new Date(0).toISOString()).replace(/\.\d+Z$/, 'Z')
  const image = {
    SPDXID: 'SPDXRef-Image',
    name,
    versionInfo: manifest,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    primaryPackagePurpose: 'CONTAINER',
    checksums: [{ algorithm: 'SHA256', checksumValue: hexOf(manifest) }],
  }
  const listed = packages.map((each) => ({
    SPDXID: `SPDXRef-Package-${hexOf(digestOf(`${each.purl} ${each.path}`)).slice(0, 20)}`,
    name: each.name,
    versionInfo: each.version,
    supplier: each.supplier === undefined ? 'NOASSERTION' : `Organization: ${each.supplier}`,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: each.license ?? 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    sourceInfo: `found in /${each.path}`,
    externalRefs: [
      { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: each.purl },
    ],
  }))
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `urn:gantry:sbom:${manifest}`,
    creationInfo: { created, creators: ['Tool: gantry'] },
    packages: [image, ...listed],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: image.SPDXID },
      ...listed.map((each) => ({
        spdxElementId: image.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: each.SPDXID,
      })),
    ],
  }
}

/** Reads all of the tree once, as a tar: nothing in it can lead elsewhere. */
async function scan(op: Op, tree: ReturnType<Snapshots['exportTar']>): Promise<Found[]> {
  const packages = new Map<string, Found>()
  // Lists of the distribution come before or after its name: they are read in the end.
  const lists: { path: string; text: string }[] = []
  let distro: Distro | undefined
  for await (const { entry, body } of readTar(tree)) {
    op.signal.throwIfAborted()
    if (entry.type !== 'file') continue
    const path = Buffer.from(entry.name, 'latin1').toString('utf8')
    const kind = kindOf(path)
    if (kind === undefined) continue
    if (kind === 'rpm')
      throw new EngineError(
        'unsupported',
        `sbom: /${path} is a database of rpm, which cannot be read yet: the list of packages would not be complete`,
      )
    const isList = kind === 'deb' || kind === 'apk'
    if (entry.size > (isList ? maxList : maxMetadata)) continue
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    if (isList) lists.push({ path, text })
    else if (kind === 'os') distro = osRelease(text) ?? distro
    else {
      const found = kind === 'npm' ? npmPackage(path, text) : pythonPackage(path, text)
      if (found) packages.set(`${found.purl} ${path}`, found)
    }
    if (packages.size > maxPackages)
      throw new EngineError('unsupported', `sbom: the image has more than ${maxPackages} packages`)
  }
  for (const { path, text } of lists)
    for (const found of kindOf(path) === 'apk'
      ? apkPackages(path, text, distro)
      : debPackages(path, text, distro))
      packages.set(`${found.purl} ${path}`, found)
  return [...packages.values()].toSorted((a, b) => (a.purl < b.purl ? -1 : a.purl > b.purl ? 1 : 0))
}

type Kind = 'deb' | 'apk' | 'rpm' | 'os' | 'npm' | 'python'

function kindOf(path: string): Kind | undefined {
  if (path === 'var/lib/dpkg/status' || /^var\/lib\/dpkg\/status\.d\/[^/]+(?<!\.md5sums)$/.test(path))
    return 'deb'
  if (/^(?:usr\/)?lib\/apk\/db\/installed$/.test(path)) return 'apk'
  if (/^(?:var\/lib|usr\/lib\/sysimage|usr\/share)\/rpm\/(?:rpmdb\.sqlite|Packages(?:\.db)?)$/.test(path))
    return 'rpm'
  if (path === 'etc/os-release' || path === 'usr/lib/os-release') return 'os'
  if (/(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path)) return 'npm'
  if (/\.dist-info\/METADATA$|\.egg-info\/PKG-INFO$/.test(path)) return 'python'
  return undefined
}
