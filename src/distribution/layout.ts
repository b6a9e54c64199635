/**
 * Where everything is. Repository names have no component that begins with an underscore, so `_blobs` and its like never are
 * part of one; names, tags and digests are checked before they come here.
 *
 *     blobs/sha256/ab/<hex>                            bytes, of manifests too
 *     repositories/<name>/_blobs/sha256/<hex>          empty: this repository may serve that blob
 *     repositories/<name>/_manifests/sha256/<hex>      ManifestRecord; the bytes are the blob of that digest
 *     repositories/<name>/_tags/<tag>                  TagRecord
 *     repositories/<name>/_referrers/<hex>/<hex>       descriptor of the second, whose subject is the first
 */
import { algorithmOf, digestOfHex, hexOf, type Algorithm, type Digest } from './digest.ts'

export const algorithms: readonly Algorithm[] = ['sha256', 'sha512']

export const blobsPrefix = 'blobs'
export const repositoriesPrefix = 'repositories'

const own = (digest: Digest) => `${algorithmOf(digest)}/${hexOf(digest)}`

export function blobKey(digest: Digest): string {
  const hex = hexOf(digest)
  return `${blobsPrefix}/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`
}

const repositoryPrefix = (name: string) => `${repositoriesPrefix}/${name}`

export const linksPrefix = (name: string) => `${repositoryPrefix(name)}/_blobs`
export const linkKey = (name: string, digest: Digest) => `${linksPrefix(name)}/${own(digest)}`

export const manifestsPrefix = (name: string) => `${repositoryPrefix(name)}/_manifests`
export const manifestKey = (name: string, digest: Digest) => `${manifestsPrefix(name)}/${own(digest)}`

export const tagsPrefix = (name: string) => `${repositoryPrefix(name)}/_tags`
export const tagKey = (name: string, tag: string) => `${tagsPrefix(name)}/${tag}`

export const allReferrersPrefix = (name: string) => `${repositoryPrefix(name)}/_referrers`
export const referrersPrefix = (name: string, subject: Digest) =>
  `${allReferrersPrefix(name)}/${hexOf(subject)}`
export const referrerKey = (name: string, o: { subject: Digest; referrer: Digest }) =>
  `${referrersPrefix(name, o.subject)}/${hexOf(o.referrer)}`

/** The digest that the last segment of a key of blobs, links, manifests or referrers tells; undefined for any other key. */
export function digestOfKey(key: string): Digest | undefined {
  return digestOfHex(key.slice(key.lastIndexOf('/') + 1))
}
