/**
 * Bad input of every kind: Dockerfiles of the corpus with something wrong in them, contexts, archives and requests that are none.
 * Whatever it is, it is built or refused with one clear sentence and its place, quickly, and nothing is left behind.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Image } from '../../src/image/index.ts'
import { parseProgram } from '../../src/build/dockerfile/stages.ts'
import { BuildError } from '../../src/build/dockerfile/source.ts'
import { convert } from '../../src/build/graph/convert.ts'
import type { Tree } from '../../src/build/graph/tree.ts'
import { Progress } from '../../src/build/solver/progress.ts'
import type { Work } from '../../src/build/solver/vertex.ts'
import { digestOf } from '../../src/lib/digest.ts'
import { EngineError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { background } from '../../src/lib/op.ts'
import { seededChoice } from '../../src/lib/seeded-random.ts'
import type { BuildEvent, BuildQuery } from '../../src/wire/build.ts'
import { rawHeader, tar } from '../system/archives.ts'
import { system } from '../system/harness.ts'
import { allCases, writeFiles, type Case } from './build-corpus/cases.ts'
import { loadBase } from './build-corpus/builders.ts'

/** A small deterministic generator: a failure can be repeated. */
const dockerfileOf = (one: Case) => one.files.find(({ path }) => path === 'Dockerfile')?.text
const junk =
  '$ ${ ${X} } " \' \\ ` # << <<EOF <<- --x --from=9 --mount=type=x --chown=: , = == [ [] ["a"] ["a", ] \t \r \u00e9 \ud83d\ude00 - -- .. / // * ** ! ? [a- &'.split(
    ' ',
  )
const keywords = 'FROM RUN COPY ADD ENV ARG LABEL ONBUILD SHELL HEALTHCHECK VOLUME USER EXPOSE CMD'.split(' ')

/** The text with one to three mistakes in it. */
function spoil(text: string, next: (below: number) => number): string {
  let out = text
  for (let n = next(3) + 1; n > 0; n--) {
    const at = next(out.length + 1)
    const lines = out.split('\n')
    const line = next(lines.length)
    const pick = (list: readonly string[]) => list[next(list.length)] ?? ''
    switch (next(8)) {
      case 0:
        out = out.slice(0, at)
        break
      case 1:
        out = out.slice(0, at) + pick(junk) + out.slice(at)
        break
      case 2:
        out = out.slice(0, at) + out.slice(at + 1 + next(4))
        break
      case 3:
        out = lines.toSpliced(line, 1).join('\n')
        break
      case 4:
        out = lines.toSpliced(line, 0, pick(lines)).join('\n')
        break
      case 5:
        out = lines.toSpliced(line, 0, `${pick(keywords)} ${pick(junk)} ${pick(junk)}`).join('\n')
        break
      case 6:
        out = lines.with(line, (lines[line] ?? '').replace(/\S+/, pick(keywords))).join('\n')
        break
      default:
        out = lines.with(line, `${lines[line] ?? ''} ${pick(junk)}`).join('\n')
    }
  }
  return out
}

/** One sentence that a person can read: no stack, no names of ours, no line ends, not endless. */
function assertSentence(message: string, about: string): void {
  assert.ok(message.length > 3 && message.length < 1500, `${message.length} characters: ${about}`)
  assert.doesNotMatch(
    message,
    /[\r\n]|undefined|\[object|TypeError|RangeError|ReferenceError|Cannot read|at \w+ \(/,
    about,
  )
}

const base: Image = {
  id: digestOf('base'),
  config: {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], OnBuild: [] },
    rootfs: { type: 'layers', diff_ids: [digestOf('layer')] },
    history: [],
  },
  layers: [digestOf('layer')],
  size: 1,
  createdAt: '2020-01-01T00:00:00Z',
  refs: ['docker.io/corpus/base:latest'],
  digests: [],
}

test(
  'spoiled Dockerfiles are understood or refused with their place, quickly',
  { timeout: 60_000 },
  async () => {
    const seeds = allCases().flatMap((one) => dockerfileOf(one) ?? [])
    const work: Work<Tree> = { keys: [], run: () => assert.fail('nothing runs here') }
    const make = () => work
    const works = {
      image: make,
      context: make,
      run: make,
      copy: make,
      http: make,
      git: make,
      workdir: make,
      stack: make,
    }
    // Each case has numbers of its own: one more changes nothing for the others.
    const spoiled = seeds.flatMap((seed) => {
      const next = seededChoice(Number.parseInt(digestOf(seed).slice(-8), 16))
      return Array.from({ length: Number(process.env['GANTRY_FUZZ'] ?? 20) }, () => spoil(seed, next))
    })
    let refused = 0
    for (const text of spoiled) {
      const began = performance.now()
      try {
        await convert(background(silentLogger), parseProgram('Dockerfile', text), {
          buildArgs: {},
          network: 'bridge',
          progress: new Progress(() => {}),
          works,
          contexts: new Map(),
          findImage: (_op, ref) =>
            ref.startsWith('corpus/')
              ? Promise.resolve(base)
              : Promise.reject(new EngineError('not-found', `No such image: ${ref}`)),
        })
      } catch (error) {
        refused++
        const about = `${JSON.stringify(text)}: ${String(error)}`
        assert.ok(error instanceof BuildError, about)
        assertSentence(error.message, about)
        const line = Number(/^Dockerfile:(\d+)\n/.exec(error.excerpt)?.[1])
        assert.ok(line >= 1 && line <= text.split('\n').length, about)
      }
      assert.ok(performance.now() - began < 2000, `slow: ${JSON.stringify(text)}`)
    }
    assert.ok(refused > 1000, `only ${refused} were refused`)
  },
)

suite('bad builds, one after another', () => {
  const s = system()

  /** The events of a build, whatever came of it. */
  async function build(folder: string, more: Partial<BuildQuery> = {}): Promise<BuildEvent[]> {
    const { dev, ino } = statSync(folder, { bigint: true })
    const query: BuildQuery = {
      context: { path: folder, dev: String(dev), ino: String(ino) },
      dockerfile: join(folder, 'Dockerfile'),
      tags: [],
      buildArgs: {},
      labels: {},
      noCache: false,
      ...more,
    }
    const answer = await s.daemon.api(
      'POST',
      `/gantry/build?request=${encodeURIComponent(JSON.stringify(query))}`,
    )
    assert.equal(answer.status, 200, answer.text)
    return answer.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as BuildEvent)
  }

  test('spoiled Dockerfiles and their contexts', async () => {
    await loadBase({ argv: [], env: {}, socket: s.daemon.socket })
    const next = seededChoice(4711)
    const cases = allCases().filter((one) => one.needs.length === 0 && dockerfileOf(one) !== undefined)
    let refused = 0
    for (let i = 0; i < 60; i++) {
      const one = cases[next(cases.length)]
      if (!one) throw new Error('there are no cases')
      const folder = mkdtempSync(join(s.daemon.home, 'c-'))
      const files = one.files.map((file) =>
        file.path === 'Dockerfile' ? { ...file, text: spoil(file.text, next), attributes: [] } : file,
      )
      await writeFiles(folder, files)
      const events = await build(folder)
      const last = events.at(-1)
      assert.ok(last?.type === 'result' || last?.type === 'error', JSON.stringify(last))
      if (last.type === 'error') {
        refused++
        assertSentence(last.message, `${one.name}: ${files.find(({ path }) => path === 'Dockerfile')?.text}`)
      }
      rmSync(folder, { recursive: true })
    }
    assert.ok(refused > 10)
  })

  test('archives that are no contexts', async () => {
    const dockerfile = { name: 'Dockerfile', content: 'FROM scratch\nCOPY . /\n' }
    const whole = await tar([dockerfile, { name: 'f', content: 'x'.repeat(5000) }])
    const contexts: [what: string, body: Buffer, message: RegExp][] = [
      ['nothing', Buffer.alloc(0), /Dockerfile|archive|empty/i],
      ['noise', Buffer.alloc(2000, 'noise '), /not a tar archive|Dockerfile/],
      ['cut off', whole.subarray(0, 3000), /damaged: it ends in the middle/],
      ['gzip cut off', gzipSync(whole).subarray(0, 60), /./],
      ['a bad checksum', Buffer.from(whole).fill('9', 148, 154), /./],
      ['a way out', Buffer.concat([rawHeader({ name: '../../out' }), Buffer.alloc(1024)]), /Dockerfile|\.\./],
      [
        'a negative size',
        Buffer.concat([rawHeader({ name: 'f', size: '-0000000001' }), Buffer.alloc(1024)]),
        /./,
      ],
      ['no Dockerfile', await tar([{ name: 'f', content: '' }]), /failed to read dockerfile|Cannot locate/],
      ['a folder for a Dockerfile', await tar([{ name: 'Dockerfile/', type: 'directory' }]), /Dockerfile/],
      [
        'a link for a Dockerfile',
        await tar([{ name: 'Dockerfile', type: 'symlink', linkname: '/etc/passwd' }]),
        /Dockerfile/,
      ],
      [
        'a device',
        await tar([dockerfile, { name: 'd', type: 'character-device', devmajor: 1, devminor: 3 }]),
        /device/,
      ],
    ]
    for (const [what, body, message] of contexts) {
      const { status, text } = await s.daemon.api('POST', '/build', body)
      const fault = /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? ''
      assert.ok(status >= 400 || text.includes('"errorDetail"'), `${what}: ${status} ${text}`)
      assert.notEqual(status, 500, `${what}: ${text}`)
      assert.match(fault, message, `${what}: ${text}`)
      assertSentence(JSON.parse(`"${fault}"`) as string, `${what}: ${text}`)
    }
  })

  test('requests that ask for nothing that there is', async () => {
    const folder = mkdtempSync(join(s.daemon.home, 'c-'))
    await writeFiles(folder, [{ path: 'Dockerfile', attributes: [], text: 'FROM scratch\nENV A=1\n' }])
    const bad: Partial<BuildQuery>[] = [
      { tags: ['Not A Tag'] },
      { tags: ['a@sha256:0000000000000000000000000000000000000000000000000000000000000000'] },
      { target: 'nosuch' },
      { networkMode: 'container:x' },
      { dockerfile: '../../etc/passwd' },
      { dockerfile: '/nosuch' },
      { platform: 'a/b/c/d' },
      { context: { path: '/nosuch', dev: '1', ino: '1' } },
      { context: { path: folder, dev: '1', ino: '1' } },
      { outputs: [{ type: 'nosuch', attrs: {}, sent: false }] },
    ]
    for (const request of bad) {
      const { dev, ino } = statSync(folder, { bigint: true })
      const query = {
        context: { path: folder, dev: String(dev), ino: String(ino) },
        dockerfile: join(folder, 'Dockerfile'),
        tags: [],
        buildArgs: {},
        labels: {},
        noCache: false,
        ...request,
      }
      const path = `/gantry/build?request=${encodeURIComponent(JSON.stringify(query))}`
      const { status, text } = await s.daemon.api('POST', path)
      assert.ok(
        status >= 400 || text.includes('"type":"error"'),
        `${JSON.stringify(request)}: ${status} ${text}`,
      )
      assert.notEqual(status, 500, `${JSON.stringify(request)}: ${text}`)
      const fault = /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? ''
      assertSentence(JSON.parse(`"${fault}"`) as string, `${JSON.stringify(request)}: ${text}`)
    }
    for (const query of [
      '',
      '?request=',
      '?request={',
      '?request=[]',
      '?request={"tags":1}',
      '?t=%ff',
      '?buildargs={',
      '?ulimits=1',
    ]) {
      const route = query.startsWith('?request') || query === '' ? '/gantry/build' : '/build'
      const { status, text } = await s.daemon.api('POST', route + query)
      assert.ok(
        (status >= 400 && status < 500) || text.includes('error'),
        `${route}${query}: ${status} ${text}`,
      )
    }
  })
})
