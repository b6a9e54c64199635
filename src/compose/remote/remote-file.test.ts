import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findProject } from '../project-files.ts'
import { nowhere } from '../node.ts'
import { loadProject } from '../load-project.ts'
import { isRemoteFile, locate, RemoteNeeded } from './remote-file.ts'

const here = { folder: '/p', remotes: new Map([['oci://r/app:1', '/cache/app/compose.yaml']]), at: nowhere }

test('repositories and artifacts are elsewhere; everything else is a path', () => {
  for (const address of ['oci://r/app:1', 'https://h/a.git#main:dir', 'git@h:a/b.git', 'github.com/a/b'])
    assert.ok(isRemoteFile(address), address)
  for (const path of ['compose.yaml', '../x.git', '/a/b.yaml']) assert.ok(!isRemoteFile(path), path)
  assert.equal(locate('a/b.yaml', here), '/p/a/b.yaml')
  assert.equal(locate('oci://r/app:1', here), '/cache/app/compose.yaml')
  assert.throws(() => locate('oci://r/app:2', here), RemoteNeeded)
  assert.throws(() => locate('https://h/compose.yaml', here), /remote files are git repositories/)
})

const options = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: false,
  warn: () => {},
}

test('loading says which file it lacks, and where that is named', () => {
  const text = 'include:\n  - oci://r/app:9\nservices: {}\n'
  const source = {
    folder: '/p',
    environment: new Map(),
    sources: new Map(),
    name: 'p',
    profiles: [],
    files: [{ path: '/p/compose.yaml', text }],
  }
  assert.throws(() => loadProject(source, options), {
    address: 'oci://r/app:9',
    at: { file: '/p/compose.yaml', line: 2, column: 5 },
  })
})

test('a project from elsewhere is called after the folder here, and finds its paths there', () => {
  const flags = {
    files: ['oci://r/app:1'],
    envFiles: [],
    profiles: [],
    projectDirectory: '',
    projectName: '',
    compatibility: false,
  }
  const o = { cwd: '/tmp/some-where', environment: {}, warn: () => {}, remotes: here.remotes }
  const { folder, calledAfter, files } = findProject(flags, o)
  assert.deepEqual(
    { folder, calledAfter, files },
    { folder: '/cache/app', calledAfter: '/tmp/some-where', files: [{ path: '/cache/app/compose.yaml' }] },
  )
})
