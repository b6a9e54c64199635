import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { system } from '../system/harness.ts'
import { buildCase, buildKit, loadBase, type Builder } from './build-corpus/builders.ts'
import { allCases, type Case } from './build-corpus/cases.ts'
import { readExpected } from './build-corpus/expected.ts'
import type { SavedImage } from './build-corpus/image.ts'

/** The socket of a dockerd with BuildKit: then each case is built there as well, and compared without what is recorded. */
const live = process.env['GANTRY_CORPUS_BUILDKIT']
/** `docker`: Gantry is built with by a stock client's BuildKit session, for which `buildx` has to be there. */
const client = process.env['GANTRY_CORPUS_CLIENT'] ?? 'gantry'
const atOnce = 3

suite('the corpus: what BuildKit builds, Gantry builds alike', () => {
  const s = system()
  const own: Builder = {
    argv: s.argv(['build', '--progress=plain']),
    env: { GANTRY_HOST: `unix://${s.daemon.socket}` },
    socket: s.daemon.socket,
    direct: true,
  }
  const gantry = client === 'docker' ? buildKit(s.daemon.socket, peerConfig()) : own
  const peer = live === undefined ? undefined : buildKit(live, peerConfig())
  const cases = allCases()
  const groups = [...new Set(cases.map(({ group }) => group))]
  for (const group of groups) {
    const members = cases.filter((one) => one.group === group)
    test(
      `${group}: ${members.length} cases`,
      { timeout: live === undefined && gantry === own ? 120_000 : 600_000 },
      async () => {
        const base = await loadBase(gantry)
        if (peer) await loadBase(peer)
        const expected = readExpected(group)
        assert.deepEqual(
          [...expected.keys()].filter((name) => !members.some((one) => one.name === name)),
          [],
          'recorded, but no case any more',
        )
        const wrong: unknown[] = []
        const queue = [...members]
        const worker = async () => {
          for (let one = queue.shift(); one; one = queue.shift())
            try {
              await compare(one, { base, recorded: expected.get(one.name) })
            } catch (error) {
              wrong.push(error)
            }
        }
        await Promise.all(Array.from({ length: atOnce }, worker))
        if (wrong.length > 0)
          throw new AggregateError(wrong, `${wrong.length} of ${members.length} cases differ`)
      },
    )
  }

  async function compare(one: Case, o: { base: SavedImage; recorded: string | undefined }): Promise<void> {
    const { lines, output } = await buildCase(gantry, one, o.base)
    const theirs =
      peer && one.ours === undefined
        ? (await buildCase(peer, one, o.base)).lines
        : (o.recorded ?? '(nothing)')
    const wanted = withHint(theirs, one.hint)
    if (lines !== wanted) console.error(`--- ${one.name}\n${output}`)
    assert.equal(lines, wanted, `${one.group}/${one.name}: ${one.title}`)
  }
})

/** Where Gantry says more than BuildKit, that stands behind BuildKit's text. */
function withHint(lines: string, hint: string): string {
  return hint === '' ? lines : lines.replace(/^fails .*$/m, (fault) => fault + hint)
}

function peerConfig(): Record<string, string> {
  const folder = process.env['DOCKER_CONFIG']
  return folder === undefined ? {} : { DOCKER_CONFIG: folder }
}
