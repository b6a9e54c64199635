import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { download, fileNameOf } from './download.ts'

const op = background(silentLogger)

async function serve(t: TestContext, handler: http.RequestListener): Promise<string> {
  const server = http.createServer(handler)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'gdown-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return dir
}

test('a proxy is asked where there is one', async (t) => {
  const asked: (string | undefined)[] = []
  const proxy = await serve(t, (request, response) => {
    asked.push(request.url)
    response.end('by proxy')
  })
  const to = join(folder(t), 'f')
  const proxies = { http: proxy, https: '', no: '.direct.invalid' }
  await download(op, { url: 'http://files.invalid/x?y', to, proxies })
  assert.deepEqual([asked, readFileSync(to, 'utf8')], [['http://files.invalid/x?y'], 'by proxy'])
  const direct = { url: 'http://a.direct.invalid/x', to: `${to}2`, proxies }
  await assert.rejects(download(op, direct), /failed to fetch http:\/\/a.direct.invalid\/x: /)
})

test('what is too large, too slow or redirected elsewhere is refused, and a password stays with its host', async (t) => {
  const seen: (string | undefined)[] = []
  const other = await serve(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.end('other')
  })
  const url = await serve(t, (request, response) => {
    if (request.url === '/hang') return
    if (request.url === '/file') return void response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    if (request.url === '/other') return void response.writeHead(302, { location: other }).end()
    seen.push(request.headers.authorization)
    response.end('x'.repeat(2000))
  })
  const dir = folder(t)
  let next = 0
  const get = (path: string, limits = {}) =>
    download(op, { url: path, to: join(dir, String(next++)), limits })
  await assert.rejects(get(url, { bytes: 1000 }), /it is larger than 1000 bytes/)
  await assert.rejects(get(`${url}/hang`, { answerMs: 50 }), /no answer in 0.05 s/)
  await assert.rejects(get(`${url}/hang`, { wholeMs: 50 }), /it took longer than 0.05 s/)
  await assert.rejects(get(`${url}/file`), /redirected to what is no http\(s\) URL/)
  await get(`${url.replace('//', '//u:p@')}/other`)
  await get(url.replace('//', '//u:p@'))
  assert.deepEqual(seen.slice(-2), [undefined, `Basic ${Buffer.from('u:p').toString('base64')}`])
})

test('files are named by the end of the path', () => {
  const names = [
    'http://h/a/b.txt?c=d',
    'http://h/a%20b',
    'http://h',
    'http://h/a/',
    'http://h/x%2F..',
    'http://h/%zz',
  ]
  assert.deepEqual(names.map(fileNameOf), ['b.txt', 'a b', '__unnamed__', 'a', '__unnamed__', '%zz'])
})
