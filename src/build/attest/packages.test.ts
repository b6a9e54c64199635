import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apkPackages, debPackages, npmPackage, osRelease, pythonPackage } from './packages.ts'

test('the distribution is named by os-release', () => {
  assert.deepEqual(osRelease('NAME="Debian"\nID=debian\nVERSION_ID="12"\n'), { id: 'debian', version: '12' })
  assert.deepEqual(osRelease("ID='alpine'\n"), { id: 'alpine', version: '' })
  assert.equal(osRelease('nothing here'), undefined)
})

test('dpkg: what is installed, with architecture, distribution and source', () => {
  const status =
    'Package: libc6\nStatus: install ok installed\nVersion: 2.36-9+deb12u1\nArchitecture: amd64\nSource: glibc (2.36)\n\n' +
    'Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: never\nStatus: deinstall ok not-installed\nVersion: 1\n\nrubbish\n'
  const found = debPackages('var/lib/dpkg/status', status, { id: 'debian', version: '12' })
  assert.deepEqual(
    found.map((each) => each.purl),
    ['pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc'],
  )
})

test('apk: packages with their licence', () => {
  const [found] = apkPackages(
    'lib/apk/db/installed',
    'P:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\nF:lib\nR:x\n',
    undefined,
  )
  assert.equal(found?.purl, 'pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64')
  assert.equal(found.license, 'MIT')
})

test('npm and python: names as the package URL wants them, licences only when they are expressions', () => {
  const npm = npmPackage(
    'x/package.json',
    '{"name":"@s/left","version":"1.2.3","license":"MIT OR Apache-2.0"}',
  )
  assert.equal(npm?.purl, 'pkg:npm/%40s/left@1.2.3')
  assert.equal(npm.license, 'MIT OR Apache-2.0')
  assert.equal(npmPackage('x', '{"name":"p","version":"1","license":"see the file"}')?.license, undefined)
  for (const text of ['', '[]', 'null', '{"name":1}', '{"name":"x"}'])
    assert.equal(npmPackage('x', text), undefined)
  const python = pythonPackage('x', 'Metadata-Version: 2.1\nName: Foo_Bar.baz\nVersion: 3.0\n\nName: no\n')
  assert.equal(python?.purl, 'pkg:pypi/foo-bar-baz@3.0')
  assert.equal(pythonPackage('x', 'no fields'), undefined)
})
