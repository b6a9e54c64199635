import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ImageManifestSummary, ImageSummary } from '../wire/image.ts'
import { drawImageTree } from './image-tree.ts'

const digest = (character: string) => `sha256:${character.repeat(64)}`

function manifest(
  architecture: string,
  o: { available?: boolean; used?: boolean } = {},
): ImageManifestSummary {
  const id = digest(architecture === 'amd64' ? 'a' : 'b')
  const content = o.available === false ? 0 : 1000
  return {
    ID: id,
    Descriptor: { mediaType: '', digest: id, size: 1 },
    Available: o.available ?? true,
    Size: { Content: content, Total: content * 3 },
    Kind: 'image',
    ImageData: {
      Platform: { os: 'linux', architecture },
      Containers: o.used ? ['c'] : [],
      Size: { Unpacked: content * 2 },
    },
  }
}

function image(o: Partial<ImageSummary>): ImageSummary {
  return {
    Id: digest('1'),
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    Created: 0,
    Size: 3000,
    SharedSize: -1,
    Labels: null,
    Containers: 0,
    ...o,
  }
}

const attestation: ImageManifestSummary = {
  ID: digest('d'),
  Descriptor: { mediaType: '', digest: '', size: 1 },
  Available: true,
  Size: { Content: 5, Total: 5 },
  Kind: 'attestation',
  AttestationData: { For: digest('a') },
}

test('images are drawn with what their names stand for', () => {
  const text = drawImageTree(
    [
      image({
        RepoTags: ['app:1', 'registry.example/app:1'],
        Manifests: [manifest('amd64', { used: true }), manifest('arm64', { available: false }), attestation],
      }),
      image({ Id: digest('2'), Manifests: [manifest('amd64')] }),
    ],
    { width: 80, colour: false },
  )
  assert.equal(
    text,
    `                                                                       U In Use

IMAGE                    ID             DISK USAGE   CONTENT SIZE   EXTRA
registry.example/app:1
app:1                    111111111111          3kB            1kB   U
├─ linux/amd64           aaaaaaaaaaaa          3kB            1kB   U
└─ linux/arm64           bbbbbbbbbbbb           0B             0B

<untagged>               222222222222          3kB            1kB
└─ linux/amd64           aaaaaaaaaaaa          3kB            1kB

`,
  )
})

test('what does not fit is left out from the right, and names are cut', () => {
  const long = `registry.example/${'x'.repeat(50)}:1`
  const text = drawImageTree([image({ RepoTags: [long], Manifests: [manifest('amd64')] })], {
    width: 40,
    colour: false,
  })
  assert.deepEqual(text.split('\n').slice(0, 2), [
    'IMAGE          ID             DISK USAGE',
    'registry....   111111111111          3kB',
  ])
})

test('names of images draw nothing but themselves', () => {
  const text = drawImageTree([image({ RepoTags: ['a\x1b[2Jb:1'] })], { width: 80, colour: true })
  assert(!text.includes('\x1b[2J'))
})
