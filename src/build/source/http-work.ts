import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import type { Op } from '../../lib/op.ts'
import type { Tools } from '../exec/tools.ts'
import { makeLayer } from '../exec/workspace.ts'
import type { Tree } from '../graph/tree.ts'
import type { HttpStep } from '../graph/works.ts'
import { cacheKey, type Io, type Work } from '../solver/vertex.ts'
import { download, type Download } from './download.ts'
import { shownUrl } from '../../lib/git-url.ts'
import { assertOnline } from './web.ts'

interface Fetched {
  readonly path: string
  readonly digest: Digest
  readonly lastModified?: string | undefined
}

/**
 * A file from an URL, as a tree of that one file. With a checksum nothing is asked of the server when the file is
 * known; else the server says whether it is still the one that we know.
 */
export function httpWork(tools: Tools, step: HttpStep): Work<Tree> {
  let fetched: Fetched | undefined
  const keyOf = (content: string) =>
    cacheKey({ op: 'http', url: shownUrl(step.url), name: step.name, content })
  const key = async (op: Op, _inputs: readonly Tree[], io: Io) => {
    if (step.checksum !== undefined) return keyOf(step.checksum)
    const seen = tools.web.seen.get(step.url)
    fetched = await fetch(op, tools, { step, io, ...(seen && { seen }) })
    return keyOf(fetched?.digest ?? seen?.digest ?? '')
  }
  return {
    keys: [key],
    run: async (op, _inputs, io) => {
      const known = tools.web.seen.get(step.url)?.digest
      const file = fetched ?? (await fetch(op, tools, { step, io }))
      if (!file) throw new Error('what was asked for without conditions was unchanged')
      const result = await makeLayer(op, tools, {
        layers: [],
        change: async (space) => {
          await utimes(file.path, 0, modifiedAt(file.lastModified))
          await tools.snapshots.copyInto(op, {
            workspace: space.id,
            from: { dir: tools.web.spool },
            entries: [{ source: file.path.slice(tools.web.spool.length + 1), target: `/${step.name}` }],
            chown: { uid: 0, gid: 0 },
            mode: 0o600,
          })
        },
      })
      // The layer of what was known is gone, and the server has something else by now.
      const changed = fetched === undefined && step.checksum === undefined && file.digest !== known
      return { result, cacheable: !changed }
    },
  }
}

/** Nothing: the server says that it is what was seen. */
async function fetch(
  op: Op,
  tools: Tools,
  o: { step: HttpStep; io: Io; seen?: { etag?: string; lastModified?: string } },
): Promise<Fetched | undefined> {
  const { step } = o
  const path = join(tools.web.spool, `u${newId().slice(0, 12)}`)
  tools.undo.defer(() => tools.web.drop(op, path))
  assertOnline(tools.web, shownUrl(step.url))
  const done = o.io.status(`downloading ${shownUrl(step.url)}`)
  const algorithm = /^(sha384|sha512):/.exec(step.checksum ?? '')?.[1] as 'sha384' | 'sha512' | undefined
  const { url } = step
  const { proxies } = tools.web
  const { etag, lastModified } = o.seen ?? {}
  const got = await download(op, {
    url,
    to: path,
    proxies,
    etag,
    lastModified,
    ...(algorithm && { algorithm }),
  })
  done()
  if (got === 'unchanged') return undefined
  checkDigest(step, got)
  const { digest } = got
  const said = {
    ...(got.etag !== undefined && { etag: got.etag }),
    ...(got.lastModified !== undefined && { lastModified: got.lastModified }),
  }
  if (Object.keys(said).length > 0) await tools.web.seen.put(url, { digest, ...said })
  return { path, digest, lastModified: got.lastModified }
}

function checkDigest(step: HttpStep, got: Download): void {
  const actual = got.other ?? got.digest
  if (step.checksum === undefined || step.checksum === actual) return
  throw new EngineError('invalid', `digest mismatch ${actual}: ${step.checksum}`)
}

/** BuildKit: a file whose time is not known is from 1970. */
function modifiedAt(lastModified: string | undefined): Date {
  const time = new Date(lastModified ?? 0)
  return Number.isNaN(time.getTime()) ? new Date(0) : time
}
