/**
 * The proof that volumes are for: databases as Debian packages them, killed in the middle of their work, removed, and started anew
 * on the same volume. What they said was stored must be there. Needs mmdebstrap and minutes; GANTRY_TEST_DATABASES=1 runs it.
 * GANTRY_TEST_DEBIAN names a tar of a Debian with postgresql and redis-server, which spares the download.
 */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { importDebian, withoutDatabases } from './debian-databases.ts'
import { eventually, system } from './harness.ts'

const postgres = `FROM debian-databases
RUN mkdir -p /data && chown postgres:postgres /data && chmod 700 /data
VOLUME /data
USER postgres
ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin PGHOST=/tmp PGDATABASE=postgres
CMD ["sh", "-c", "[ -s /data/PG_VERSION ] || initdb -D /data -A trust --data-checksums; exec postgres -D /data -k /tmp -c listen_addresses="]
`
const redis = `FROM debian-databases
RUN mkdir -p /data && chown redis:redis /data
VOLUME /data
USER redis
WORKDIR /data
CMD ["redis-server", "--dir", "/data", "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
`

suite('databases', { skip: withoutDatabases, timeout: 1_200_000 }, () => {
  const s = system()
  const makeImages = async () => {
    await importDebian(s)
    for (const [name, dockerfile] of Object.entries({ postgres, redis }))
      await run('build', '-q', '-t', name, s.folder({ Dockerfile: dockerfile }))
  }
  const run = async (...args: string[]) => {
    const result = await s.run(args, { timeout: 300_000 })
    assert.equal(result.code, 0, `${args.join(' ')}\n${result.stderr}${result.stdout}`)
    return result.stdout.trim()
  }
  const start = (name: string, image: string) =>
    run('run', '-d', '--name', name, '--network', 'none', '-v', `${image}-data:/data`, image)

  const proveStoredByPostgres = async (t: TestContext) => {
    const sql = (name: string, text: string) => run('exec', name, 'psql', '-qAtc', text)
    await start('pg1', 'postgres')
    await eventually(() => sql('pg1', 'select 1'), 60_000)
    await sql('pg1', 'create table bulk as select i, md5(i::text) as text from generate_series(1, 200000) i')
    const sum = "select count(*), md5(string_agg(text, ',' order by i)) from bulk"
    const before_ = await sql('pg1', sum)
    await sql('pg1', 'create table log (n int primary key)')
    // One commit after another; each line out is one that PostgreSQL has acknowledged.
    const loop =
      'n=0; while :; do n=$((n+1)); echo "insert into log values ($n) returning n;"; done | psql -qAt'
    const writer = s.spawn(['exec', 'pg1', 'sh', '-c', loop])
    let acknowledged = ''
    writer.stdout.on('data', (chunk: Buffer) => (acknowledged += chunk.toString()))
    await sleep(5000)
    await run('kill', '-s', 'KILL', 'pg1')
    await run('rm', '-f', 'pg1')
    const last = Number(acknowledged.trimEnd().split('\n').slice(-2, -1)[0])
    assert.ok(last > 0, 'something was written')

    const started = performance.now()
    await start('pg2', 'postgres')
    await eventually(() => sql('pg2', 'select 1'), 60_000)
    t.diagnostic(
      `PostgreSQL: ${last} commits acknowledged before the kill; recovered in ${Math.round(performance.now() - started)} ms`,
    )
    assert.equal(await sql('pg2', sum), before_)
    assert.ok(Number(await sql('pg2', `select count(*) from log where n <= ${last}`)) === last)
    await run('rm', '-f', 'pg2')
  }

  const proveStoredByRedis = async (t: TestContext) => {
    const cli = (name: string, ...words: string[]) => run('exec', name, 'redis-cli', ...words)
    await start('redis1', 'redis')
    await eventually(async () => assert.equal(await cli('redis1', 'ping'), 'PONG'), 30_000)
    const loop = 'n=0; while :; do n=$((n+1)); echo "incr counter"; done | redis-cli'
    const writer = s.spawn(['exec', 'redis1', 'sh', '-c', loop])
    let acknowledged = ''
    writer.stdout.on('data', (chunk: Buffer) => (acknowledged += chunk.toString()))
    await sleep(4000)
    await run('kill', '-s', 'KILL', 'redis1')
    await run('rm', '-f', 'redis1')
    const last = Number(acknowledged.trimEnd().split('\n').slice(-2, -1)[0])
    assert.ok(last > 0, 'something was written')
    const started = performance.now()
    await start('redis2', 'redis')
    await eventually(async () => assert.equal(await cli('redis2', 'ping'), 'PONG'), 30_000)
    t.diagnostic(
      `Redis: ${last} writes acknowledged before the kill; recovered in ${Math.round(performance.now() - started)} ms`,
    )
    assert.ok(Number(await cli('redis2', 'get', 'counter')) >= last)
    await run('rm', '-f', 'redis2')
  }

  // One test: images go with the test that made them.
  test('what PostgreSQL and Redis acknowledged outlives kill -9 and the container', async (t) => {
    await makeImages()
    await proveStoredByPostgres(t)
    await proveStoredByRedis(t)
  })
})
