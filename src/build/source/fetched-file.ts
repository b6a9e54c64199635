import { join } from 'node:path'
import { newId } from '../../lib/id.ts'
import type { Op } from '../../lib/op.ts'
import { download } from './download.ts'
import { shownUrl } from '../../lib/git-url.ts'
import { assertOnline, type Web } from './web.ts'

/** A file of the web, on the disk until it is disposed. Throws as `download` does. */
export async function fetchFile(op: Op, url: string, web: Web): Promise<{ path: string } & AsyncDisposable> {
  assertOnline(web, shownUrl(url))
  const path = join(web.spool, `f${newId().slice(0, 12)}`)
  const drop = { path, [Symbol.asyncDispose]: () => web.drop(op, path) }
  await using undo = new AsyncDisposableStack()
  undo.use(drop)
  await download(op, { url, to: path, proxies: web.proxies })
  undo.move()
  return drop
}
