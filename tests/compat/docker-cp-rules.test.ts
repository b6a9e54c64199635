/**
 * `cp` of each kind of source to each kind of destination, both ways: what comes of it is the same through docker's client and ours,
 * and with a real dockerd (GANTRY_TEST_DOCKERD names its address) in place of our daemon.
 */
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { busyboxTar, missing, Session, system, type ClientName } from '../system/harness.ts'

const peer = process.env['GANTRY_TEST_DOCKERD']
/** All of them take minutes: without a dockerd to compare with, those that differ in kind. */
const some = <T>(few: readonly T[], more: readonly T[]) => (peer === undefined ? few : [...few, ...more])
const sources = some(['file', 'dir', 'dir/.', 'to-dir', 'to-dir/', 'missing'], ['dir/', 'to-file', 'broken'])
const destinations = some(
  ['there', 'taken', 'new', 'new/', 'to-taken', 'kinds'],
  ['there/.', 'no/new', 'to-there', 'nowhere'],
)

/** What is copied. */
function makeSources(folder: string): void {
  mkdirSync(join(folder, 'dir/sub'), { recursive: true })
  writeFileSync(join(folder, 'file'), 'a file\n')
  writeFileSync(join(folder, 'dir/a.dir'), 'in it\n')
  writeFileSync(join(folder, 'dir/sub/b'), 'deeper\n')
  symlinkSync('a.dir', join(folder, 'dir/link'))
  symlinkSync('file', join(folder, 'to-file'))
  symlinkSync('dir', join(folder, 'to-dir'))
  symlinkSync('not-there', join(folder, 'broken'))
}

/** Where it goes; in `kinds` everything is of the other kind. */
function makeDestinations(folder: string): void {
  mkdirSync(join(folder, 'there'), { recursive: true })
  mkdirSync(join(folder, 'kinds/file'), { recursive: true })
  writeFileSync(join(folder, 'kinds/dir'), 'no directory\n')
  writeFileSync(join(folder, 'taken'), 'old\n')
  symlinkSync('there', join(folder, 'to-there'))
  symlinkSync('taken', join(folder, 'to-taken'))
  symlinkSync('made', join(folder, 'nowhere'))
}

function treeOf(folder: string, at = ''): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      const name = at + entry.name
      if (entry.isSymbolicLink()) return [`${name} -> ${readlinkSync(path)}`]
      if (entry.isDirectory()) return [`${name}/`, ...treeOf(path, `${name}/`)]
      return [`${name}: ${readFileSync(path, 'utf8').trim()}`]
    })
}

interface Case {
  readonly direction: 'to' | 'from'
  readonly source: string
  readonly destination: string
}

const cases: Case[] = (['to', 'from'] as const).flatMap((direction) =>
  sources.flatMap((source) => destinations.map((destination) => ({ direction, source, destination }))),
)

suite('path rules of cp', { skip: missing('docker', { docker: 23 }) }, () => {
  const s = system('docker')

  test('our client does what docker’s does, our daemon what dockerd does', { timeout: 300_000 }, async () => {
    const own = `unix://${s.daemon.socket}`
    const expected = await outcomes('docker', { client: 'docker', host: own })
    compare(await outcomes('gantry', { client: 'gantry', host: own }), expected)
    if (peer !== undefined) compare(expected, await outcomes('peer', { client: 'docker', host: peer }))
  })

  /** For each case what was said and what is there then. */
  async function outcomes(name: string, o: { client: ClientName; host: string }): Promise<string[]> {
    const home = join(s.daemon.home, name)
    const env = { DOCKER_HOST: o.host, GANTRY_HOST: o.host }
    const client = new Session(o.client, s.daemon)
    const docker = async (...args: string[]) => {
      const done = await s.run(args, { env })
      assert.equal(done.code, 0, done.stderr)
    }
    for (const [index, { direction }] of cases.entries()) {
      const [local, remote] = [join(home, `local/${index}`), join(home, `remote/${index}`)]
      for (const folder of [local, remote]) mkdirSync(folder, { recursive: true })
      makeSources(direction === 'to' ? local : remote)
      makeDestinations(direction === 'to' ? remote : local)
    }
    const container = `cp-rules-${s.daemon.tag}`
    const image = `cp-rules-${s.daemon.tag}`
    const imported = await s.run(['import', '-', image], { env, input: await busyboxTar() })
    assert.equal(imported.code, 0, imported.stderr)
    await docker('create', '--name', container, image, 'true')
    try {
      await docker('cp', join(home, 'remote'), `${container}:/w`)
      const said: string[] = []
      const work = async (queue: IterableIterator<[number, Case]>) => {
        for (const [index, { direction, source, destination }] of queue) {
          const there = (path: string) => `${container}:/w/${index}/${path}`
          const args = direction === 'to' ? [source, there(destination)] : [there(source), destination]
          const cwd = join(home, `local/${index}`)
          const { code, stderr } = await client.run(['cp', ...args], { env, cwd })
          said[index] = `${code} ${plain(stderr, home)}`
        }
      }
      const queue = cases.entries()
      await Promise.all([work(queue), work(queue), work(queue)])
      await docker('cp', `${container}:/w`, join(home, 'after'))
      cpSync(join(home, 'local'), join(home, 'local-after'), { recursive: true, verbatimSymlinks: true })
      return cases.map(({ direction }, index) => {
        const folder = join(home, direction === 'to' ? 'after' : 'local-after', String(index))
        return [said[index], ...treeOf(folder)].join('\n')
      })
    } finally {
      await docker('rm', '-f', container)
      await docker('rmi', image)
    }
  }
})

/** Docker's client also logs, now and then, that nobody reads the archive any more. */
function plain(text: string, home: string): string {
  return text
    .replaceAll(/^time=.*\n/gm, '')
    .replaceAll(home, 'HOME')
    .trim()
}

function compare(actual: readonly string[], expected: readonly string[]): void {
  const label = ({ direction, source, destination }: Case) => `${direction}: ${source} → ${destination}`
  const told = (all: readonly string[]) => cases.map((each, index) => `${label(each)}\n${all[index]}`)
  assert.deepEqual(told(actual), told(expected))
}
