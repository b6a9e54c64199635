import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonical, familiar, familiarName, parseReference } from './reference.ts'

const hex = 'a'.repeat(64)

test('canonical() and familiar() follow docker', () => {
  for (const [text, full, short] of [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['user/app', 'docker.io/user/app:latest', 'user/app'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox'],
    ['index.docker.io/library/busybox:x', 'docker.io/library/busybox:x', 'busybox:x'],
    ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app'],
    ['Foo/app', 'Foo/app:latest', 'Foo/app'],
    [`ghcr.io/u/a@sha256:${hex}`, `ghcr.io/u/a@sha256:${hex}`, `ghcr.io/u/a@sha256:${hex}`],
    [`a:t@sha256:${hex}`, `docker.io/library/a:t@sha256:${hex}`, `a:t@sha256:${hex}`],
  ] as const) {
    assert.equal(canonical(parseReference(text)), full)
    assert.equal(familiar(parseReference(text)), short)
    assert.equal(canonical(parseReference(familiar(parseReference(text)))), full)
  }
  assert.equal(familiarName(parseReference('docker.io/u/a:x')), 'u/a')
})

test('parseReference() refuses what docker refuses, in its words', () => {
  for (const [text, message] of [
    ['', 'invalid reference format'],
    ['nope:::x', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a..b', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['../etc', 'invalid reference format'],
    ['https://x.io/a', 'invalid reference format'],
    ['UPPER:x', 'invalid reference format: repository name (library/UPPER) must be lowercase'],
    ['u/Name', 'invalid reference format: repository name (u/Name) must be lowercase'],
    [hex, `invalid repository name (${hex}), cannot specify 64-byte hexadecimal strings`],
    [`a@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`a@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
    [`x/${'a'.repeat(300)}`, 'repository name must not be more than 255 characters'],
  ] as const)
    assert.throws(() => parseReference(text), { kind: 'invalid', message })
})
