/** Writes configs and secrets into a container that does not run yet. */
import { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import type { Client } from '../../client/index.ts'
import type { WrittenFile } from '../desired/file-objects.ts'

/** All in one archive, each with its owner and rights. */
export async function putFiles(
  client: Client,
  container: string,
  files: readonly WrittenFile[],
): Promise<void> {
  const archive = pack()
  for (const { target, uid, gid, mode, content } of files)
    archive.entry({ name: target.slice(1), uid, gid, mode, mtime: new Date() }, content)
  archive.finalize()
  // tar-stream's streams are not Node's own.
  const stream = Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false })
  await client.containers.putArchive(container, { path: '/', archive: stream })
}
