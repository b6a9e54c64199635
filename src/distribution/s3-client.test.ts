import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SignatureV4 } from '@smithy/signature-v4'
import type { Checksum, SourceData } from '@smithy/types'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { bodyOf, S3Client, type S3Request } from './s3-client.ts'
import { credentialsOfEnvironment, credentialsOfFile } from './s3-credentials.ts'
import { parseS3Location } from './s3-settings.ts'
import { FakeS3 } from './s3-testing.ts'

const op = background(silentLogger)

/** As Amazon's signer wants its hashes. */
class Sha256 implements Checksum {
  readonly #hash
  constructor(secret?: SourceData) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret))
  }
  update(data: Uint8Array): void {
    this.#hash.update(data)
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }
  reset(): void {}
}

function bytesOf(data: SourceData): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data)
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data)
}

test('requests are signed as the signer of Amazon’s own SDK signs them', async () => {
  await using fake = await FakeS3.start('images')
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'se/cr+et', sessionToken: 'to/ken+==' }
  const settings = parseS3Location('s3://images/a.b/c_d', {
    endpoint: fake.endpoint,
    region: 'eu-central-1',
    credentials: () => Promise.resolve(credentials),
  })
  const client = new S3Client(settings)
  const ok = [200, 204, 206, 404]
  const requests: S3Request[] = [
    {
      method: 'GET',
      key: 'repositories/x-y/_tags/v1.0',
      headers: { Range: 'bytes=0-9', 'If-Match': '"e"' },
      ok,
    },
    { method: 'PUT', key: 'a', body: bodyOf(Buffer.from('data')), ok },
    {
      method: 'GET',
      query: { 'list-type': '2', prefix: 'a.b/c_d/', delimiter: '/', 'start-after': 'x y+z' },
      ok,
    },
    { method: 'POST', key: 'a', query: { uploads: '' }, ok },
    {
      method: 'PUT',
      key: 'a',
      query: { partNumber: '1', uploadId: 'x.y~z/=' },
      body: bodyOf(Buffer.alloc(3)),
      ok,
    },
    { method: 'DELETE', key: 'a', ok },
  ]
  for (const request of requests) (await client.send(op, request)).body.resume()
  client.close()
  const signer = new SignatureV4({
    service: 's3',
    region: 'eu-central-1',
    credentials,
    sha256: Sha256,
    uriEscapePath: false,
  })
  for (const { method, key, query, headers } of fake.requests) {
    const { authorization, connection: _, range: __, ...rest } = headers as Record<string, string>
    const date = (rest['x-amz-date'] ?? '').replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')
    const signed = await signer.sign(
      {
        method,
        protocol: 'http:',
        hostname: '127.0.0.1',
        path: `/images/${key}`,
        query: Object.fromEntries(query),
        headers: rest,
      },
      { signingDate: new Date(date), unsignableHeaders: new Set(['range']) },
    )
    assert.equal(authorization, signed.headers['authorization'], `${method} ${key} ${query.toString()}`)
  }
})

test('credentials come from the environment or from a profile, read anew when the file changes', async (t) => {
  const environment = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'token' }
  assert.deepEqual(await credentialsOfEnvironment(environment)(), {
    accessKeyId: 'id',
    secretAccessKey: 'secret',
    sessionToken: 'token',
  })
  assert.throws(() => credentialsOfEnvironment({ AWS_ACCESS_KEY_ID: 'id' }), /no AWS_SECRET_ACCESS_KEY/)
  const directory = mkdtempSync(join(tmpdir(), 'gantry-s3-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'credentials')
  const source = credentialsOfFile(path, 'other')
  await assert.rejects(source, { kind: 'invalid', message: /Cannot read the credentials of S3 in .*ENOENT/ })
  writeFileSync(path, '[default]\naws_access_key_id=x\n')
  await assert.rejects(source, /no profile \[other\]/)
  writeFileSync(
    path,
    '[default]\naws_access_key_id=x\n# [other]\n[ other ]\n AWS_Access_Key_Id = y \naws_secret_access_key= a=b\n',
  )
  assert.deepEqual(await source(), { accessKeyId: 'y', secretAccessKey: 'a=b' })
  writeFileSync(path, '[other]\naws_access_key_id = new\naws_secret_access_key = "with space "\n')
  await assert.rejects(source, { message: /^(?!.*with space).*secretAccessKey/ })
  writeFileSync(path, '[other]\naws_access_key_id = new\naws_secret_access_key = s\naws_session_token = t\n')
  assert.deepEqual(await source(), { accessKeyId: 'new', secretAccessKey: 's', sessionToken: 't' })
})
