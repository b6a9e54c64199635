/** What cases fetch: they write `http://HOST/` for it. */
import { createServer } from 'node:http'
import { tar } from '../../system/archives.ts'

export const host = 'http://HOST/'

let started: Promise<string> | undefined

/** The address in place of `host`; the server ends with the process. */
export function webAddress(): Promise<string> {
  started ??= start()
  return started
}

async function start(): Promise<string> {
  const archive = await tar([{ name: 'in', content: 'packed\n' }])
  const when = new Date(1_500_000_000_000).toUTCString()
  const pages: Record<string, { status?: number; headers?: Record<string, string>; body: string | Buffer }> =
    {
      '/file.txt': { headers: { 'last-modified': when, etag: '"one"' }, body: 'from the web\n' },
      '/dir/archive.tar': { headers: { 'content-type': 'application/x-tar' }, body: archive },
      '/moved': { status: 302, headers: { location: '/file.txt' }, body: '' },
      '/named': { headers: { 'content-disposition': 'attachment; filename="given.txt"' }, body: 'named\n' },
      '/': { body: 'index\n' },
      '/loop': { status: 302, headers: { location: '/loop' }, body: '' },
      '/broken': { status: 500, body: 'sorry' },
    }
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url ?? '/', 'http://host').pathname]
    response.writeHead(page ? (page.status ?? 200) : 404, page?.headers)
    response.end(request.method === 'HEAD' ? undefined : (page?.body ?? 'not here'))
  })
  server.unref()
  return await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`)
    })
  })
}
