import assert from 'node:assert/strict'
import { linkSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { extract } from 'tar-stream'
import { entriesOf } from '../tar/tar-entries.ts'
import { tarLiveTrees, tarTree } from './tar-tree.ts'

const home = mkdtempSync(join(tmpdir(), 'gantry-tar-'))
after(() => rmSync(home, { recursive: true }))

/** Entries with their sizes and links; `meanwhile` sees each before the next is asked for. */
async function listed(archive: Readable, meanwhile = (_name: string) => {}): Promise<string[]> {
  const names: string[] = []
  const parser = extract()
  archive.on('error', (error) => parser.destroy(error)).pipe(parser)
  for await (const entry of entriesOf(parser)) {
    const { name, linkname } = entry.header
    meanwhile(name)
    let size = 0
    for await (const chunk of entry) size += chunk.length
    names.push(linkname ? `${name} -> ${linkname}` : `${name} ${size}`)
  }
  return names
}

function trees(...names: string[]) {
  const folder = mkdtempSync(join(home, 't-'))
  const all = names.map((name) => ({ path: join(folder, name), name: `to/${name}` }))
  for (const { path } of all) writeFileSync(path, Buffer.alloc(1 << 22))
  return { folder, all }
}

test('a file that is gone does not keep the others from their way', async () => {
  const { folder, all } = trees('a', 'b', 'c')
  rmSync(join(folder, 'a'))
  const gone = (name: string) => name === 'to/b' && rmSync(join(folder, 'c'))
  assert.deepEqual(await listed(tarLiveTrees([...all, { path: join(folder, 'b/x'), name: 'to/x' }]), gone), [
    `to/b ${1 << 22}`,
  ])
})

test('a file that becomes shorter is filled up where others change it, and a failure elsewhere', async () => {
  for (const live of [true, false]) {
    const { folder, all } = trees('a', 'b')
    const path = join(folder, 'a')
    const cut = (name: string) => name.endsWith('a') && truncateSync(path, 5)
    if (live) assert.deepEqual(await listed(tarLiveTrees(all), cut), [`to/a ${1 << 22}`, `to/b ${1 << 22}`])
    else await assert.rejects(listed(tarTree(folder, 'to'), cut), /Size mismatch/)
  }
})

test('names of one file are links to the first', async () => {
  const { folder } = trees('a')
  linkSync(join(folder, 'a'), join(folder, 'b'))
  assert.deepEqual(await listed(tarTree(folder, 'to')), ['to/ 0', `to/a ${1 << 22}`, 'to/b -> to/a'])
})
