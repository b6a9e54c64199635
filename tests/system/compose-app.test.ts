/**
 * A whole application, as people write it: a page behind a port, PostgreSQL, Redis, a volume, a password in `.env`. The databases are
 * Debian's; see debian-databases.ts for what this needs.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { importDebian, withoutDatabases } from './debian-databases.ts'
import { eventually, freePort, system } from './harness.ts'

/** As the well-known images: the data where they have it, the password from the environment. */
const postgres = `FROM debian-databases
ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
RUN mkdir -p $PGDATA && chown -R postgres:postgres /var/lib/postgresql && chmod 700 $PGDATA
VOLUME /var/lib/postgresql/data
USER postgres
EXPOSE 5432
CMD ["sh", "-c", "if [ ! -s $PGDATA/PG_VERSION ]; then echo \\"$POSTGRES_PASSWORD\\" > /tmp/pw; initdb -A scram-sha-256 --pwfile=/tmp/pw; rm /tmp/pw; echo 'host all all all scram-sha-256' >> $PGDATA/pg_hba.conf; fi; exec postgres -k /tmp -c listen_addresses='*'"]
STOPSIGNAL SIGINT
`
const redis = `FROM debian-databases
RUN mkdir -p /data && chown redis:redis /data
VOLUME /data
USER redis
WORKDIR /data
EXPOSE 6379
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]
`

const compose = (port: number) => `version: '3.8'
services:
  web:
    build: .
    ports: ["${port}:8000"]
    environment:
      DB_HOST: db
      DATABASE_URL: postgres://db:5432/mydb
      DATABASE_PASSWORD: \${DB_PASSWORD}
    depends_on: [db, cache]
  db:
    image: postgres:15
    environment: { POSTGRES_PASSWORD: secret }
    volumes: [pgdata:/var/lib/postgresql/data]
  cache:
    image: redis:7
volumes:
  pgdata:
`
const dockerfile = `FROM debian-databases
ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin
COPY --from=busybox /bin/busybox /bin/busybox
WORKDIR /app
COPY . .
CMD ["/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/app"]
`
/** Each visit is counted in Redis and written down in PostgreSQL. */
const page = (title: string) => `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
export PGPASSWORD="$DATABASE_PASSWORD" PGOPTIONS="-c client_min_messages=warning"
sql() { psql -qAt -h "$DB_HOST" -U postgres -c "$1" 2>&1; }
echo "${title}"
echo "cache $(redis-cli -h cache incr visits)"
sql "create table if not exists visits (at timestamptz default now())"
sql "insert into visits default values"
echo "stored $(sql 'select count(*) from visits')"
`

suite('a whole application', { skip: withoutDatabases, timeout: 1_200_000 }, () => {
  const s = system()

  test('page, PostgreSQL and Redis come up, keep their data, and are rebuilt', async (t) => {
    await importDebian(s)
    for (const [name, text] of Object.entries({ 'postgres:15': postgres, 'redis:7': redis }))
      await s.ok('build', '-q', '-t', name, s.folder({ Dockerfile: text }))
    const folder = join(s.daemon.home, 'shop')
    const write = (path: string, text: string) => {
      writeFileSync(join(folder, path), text)
      if (path.startsWith('cgi-bin/')) chmodSync(join(folder, path), 0o755)
    }
    const port = await freePort()
    mkdirSync(join(folder, 'cgi-bin'), { recursive: true })
    write('compose.yaml', compose(port))
    write('.env', 'DB_PASSWORD=secret\n')
    write('Dockerfile', dockerfile)
    write('cgi-bin/visit', page('first version'))
    const up = async (...args: string[]) => {
      const started = performance.now()
      const { code, stdout, stderr } = await s.run(['compose', ...args], { cwd: folder, timeout: 120_000 })
      assert.equal(code, 0, `compose ${args.join(' ')}\n${stderr}${stdout}`)
      t.diagnostic(`compose ${args.join(' ')}: ${Math.round(performance.now() - started)} ms`)
      return stdout + stderr
    }
    const visit = () =>
      eventually(async () => {
        const text = await (await fetch(`http://127.0.0.1:${port}/cgi-bin/visit`)).text()
        assert.match(text, /cache \d+\nstored \d+\n/, text)
        return text
      }, 60_000)

    await up('up', '-d')
    assert.match(await visit(), /^first version\ncache \d+\nstored 1\n/)
    assert.match(await visit(), /stored 2\n/)
    assert.match(await up('ps'), /shop-web-1 .*:8000|8000\/tcp/)
    assert.match(await up('logs', 'db'), /db-1 {2}\| .*database system is ready to accept connections/)
    assert.match(await up('exec', '-T', 'cache', 'redis-cli', 'get', 'visits'), /^\d+\n/)
    const counted = await up('run', '--rm', '-T', 'web', 'sh', '-c', 'redis-cli -h cache get visits')
    assert.match(counted, /^\d+\n/)

    await up('down')
    await up('up', '-d')
    assert.match(
      await visit(),
      /^first version\ncache 1\nstored 3\n/,
      'the volume survives, the cache does not',
    )
    assert.doesNotMatch(await up('up', '-d'), /Recreate|Creating/)

    write('cgi-bin/visit', page('second version'))
    assert.match(await up('up', '-d', '--build'), /shop-web-1 +Recreated/)
    assert.match(await visit(), /^second version\ncache \d+\nstored 4\n/)

    await up('down', '-v')
    await up('up', '-d')
    assert.match(await visit(), /stored 1\n/, 'down -v takes the data')
    await up('down', '-v', '--rmi', 'local')
  })
})
