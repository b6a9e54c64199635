/** Log drivers, rotation and copies, as any client can ask for them. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { suite, test } from 'node:test'
import { eventually, missing, system, type ClientName } from '../harness.ts'

interface Inspected {
  Id: string
  LogPath: string
  HostConfig: { LogConfig: { Type: string; Config: Record<string, string> } }
}

const numbers = (from: number, to: number) => {
  const lines: string[] = []
  for (let n = from; n <= to; n++) lines.push(String(n))
  return lines.join('\n')
}

export function logScenarios(client: ClientName): void {
  suite(`log drivers, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)
    /** Flags in one text, then image and command. */
    const ok = (flags: string, ...words: string[]) => s.ok(...flags.split(' '), ...words)

    test('a log is rotated by size, and reads as one; followers lose nothing', async () => {
      const script = 'for r in 1 2 3 4 5 6; do seq $((r*1000-999)) $((r*1000)); sleep 0.3; done'
      await ok(
        'create --name rotated --log-opt max-size=40k --log-opt max-file=20',
        'busybox',
        'sh',
        '-c',
        script,
      )
      await s.ok('start', 'rotated')
      const followed = await s.ok('logs', '-f', 'rotated')
      assert.equal(followed, numbers(1, 6000))
      const { LogPath, HostConfig } = await s.inspect<Inspected>('rotated')
      assert.deepEqual(HostConfig.LogConfig, {
        Type: 'local',
        Config: { 'max-size': '40k', 'max-file': '20' },
      })
      const files = readdirSync(dirname(LogPath)).filter((name) => name.startsWith('log'))
      assert.ok(files.length > 2, `files: ${files.join(' ')}`)
      assert.equal(await s.ok('logs', 'rotated'), numbers(1, 6000))
      assert.equal(await s.ok('logs', '--tail', '4500', 'rotated'), numbers(1501, 6000))
      assert.equal(await s.ok('logs', '--until', '1h', 'rotated'), '')
    })

    test('the oldest files go, and a restart of the daemon in between loses no line', async () => {
      const script =
        'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "$i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; usleep 5000; done'
      await ok(
        'run -d --name restarted --log-opt max-size=8k --log-opt max-file=50',
        'busybox',
        'sh',
        '-c',
        script,
      )
      await s.daemon.killHard()
      await s.daemon.start()
      await s.ok('wait', 'restarted')
      const lines = (await s.ok('logs', 'restarted')).split('\n').map((line) => Number(line.split(' ')[0]))
      assert.deepEqual(
        lines,
        Array.from({ length: 200 }, (_, index) => index + 1),
      )
      await ok(
        'run --name few --log-opt max-size=8k --log-opt max-file=2',
        'busybox',
        'sh',
        '-c',
        'for r in 1 2 3 4 5; do seq 1 500; usleep 200000; done',
      )
      const { LogPath } = await s.inspect<Inspected>('few')
      const files = readdirSync(dirname(LogPath)).filter((name) => name.startsWith('log'))
      assert.ok(files.length <= 3, `files: ${files.join(' ')}`)
      assert.match(await s.ok('logs', '--tail', '1', 'few'), /^500$/)
    })

    test('json-file: docker’s format at LogPath, with attributes, rotated, complete when the container has ended', async () => {
      await ok(
        'run --name json --log-driver json-file --log-opt max-size=20k --log-opt max-file=9 --log-opt labels=a --log-opt tag={{.Name}} --label a=1 --label b=2',
        'busybox',
        'sh',
        '-c',
        'echo err >&2; seq 1 500; printf end',
      )
      const { Id, LogPath } = await s.inspect<Inspected>('json')
      assert.match(LogPath, new RegExp(`/${Id}-json\\.log$`))
      const files = readdirSync(dirname(LogPath))
        .filter((name) => name.includes('-json.log'))
        .toSorted()
        .reverse()
      assert.ok(files.length > 1)
      const entries = files.flatMap((name) =>
        readFileSync(`${dirname(LogPath)}/${name}`, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as { log: string; stream: string; attrs: object; time: string }),
      )
      for (const name of files.slice(0, -1))
        assert.ok(statSync(`${dirname(LogPath)}/${name}`).size < 21_000, name)
      assert.equal(entries.filter(({ stream }) => stream === 'stderr').length, 1)
      const out = entries.filter(({ stream }) => stream === 'stdout').map(({ log }) => log)
      assert.equal(out.join(''), `${numbers(1, 500)}\nend`)
      assert.deepEqual(entries[0]?.attrs, { a: '1', tag: 'json' })
      assert.match(entries[0]?.time ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
      assert.match(await s.ok('logs', '--details', '--tail', '1', 'json'), /^a=1,tag=json end$/)
    })

    test('none keeps nothing, but shows everything to who is attached', async () => {
      assert.equal(
        await s.ok('run', '--name', 'quiet', '--log-driver', 'none', 'busybox', 'echo', 'seen'),
        'seen',
      )
      const { code, stderr } = await s.run(['logs', 'quiet'])
      assert.equal(code, 1)
      assert.match(stderr, /configured logging driver does not support reading/)
    })

    test('syslog: a line a message, by severity, with the tag; logs reads it, too', async () => {
      const server = createSocket('udp4')
      const heard: string[] = []
      server.on('message', (message) => heard.push(String(message)))
      server.bind(0, '127.0.0.1')
      await once(server, 'listening')
      try {
        await ok(
          `run --name sys --log-driver syslog --log-opt tag=app/{{.Name}} --log-opt syslog-address=udp://127.0.0.1:${server.address().port}`,
          'busybox',
          'sh',
          '-c',
          'echo out; echo err >&2',
        )
        await eventually(() => assert.equal(heard.length, 2))
        const lines = heard.toSorted()
        assert.match(lines[0] ?? '', /^<27>\w{3} [ \d]\d \d\d:\d\d:\d\d app\/sys\[\d+\]: err\n$/)
        assert.match(lines[1] ?? '', /^<30>.* app\/sys\[\d+\]: out\n$/)
        assert.match((await s.run(['logs', 'sys'])).stdout, /^out\n$/)
      } finally {
        server.close()
      }
    })

    test('drivers and options that are none are refused by name', async () => {
      const refused = async (flags: string[], message: RegExp) => {
        const { code, stderr } = await s.run(['create', ...flags, 'busybox', 'true'])
        assert.notEqual(code, 0)
        assert.match(stderr, message)
      }
      await refused(['--log-driver', 'fluentd'], /plugin "fluentd" not found/)
      await refused(['--log-opt', 'max-sise=1m'], /unknown log opt 'max-sise'/)
      await refused(['--log-opt', 'max-file=0'], /max-file/)
      await refused(['--log-opt', 'tag={{.Nix}}'], /can't evaluate field Nix/)
    })
  })
}
