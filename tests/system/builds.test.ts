import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually, finished, missing, system } from './harness.ts'

suite('records of builds, misses and failed steps', { skip: missing('gantry') }, () => {
  const s = system('gantry')
  let count = 0

  /** A context of its own with these files. */
  function context(files: Record<string, string>): string {
    const folder = join(s.daemon.home, `context${count++}`)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return folder
  }
  const build = (...args: string[]) => s.run(['build', '--progress=plain', ...args])

  test('every build is listed, with its log and a time line, until it is removed', async () => {
    const folder = context({ Dockerfile: 'FROM busybox\nRUN echo one; echo two >&2\nRUN echo three\n' })
    await s.ok('build', '-q', '-t', 'app:1', folder)
    const failing = context({ Dockerfile: 'FROM busybox\nRUN echo reason; exit 3\n' })
    assert.equal((await build('-q', failing)).code, 1)
    const [bad = '', good = ''] = (await s.ok('builds', 'ls', '-q', '--no-trunc')).split('\n')
    assert.match(good, /^[0-9a-z]{25}$/)
    const table = await s.ok('builds')
    assert.match(table, /^BUILD ID +NAME +STATUS +CREATED AT +DURATION +CACHED\/STEPS\n/)
    assert.match(table, new RegExp(`${bad.slice(0, 12)} +context1 +Error .* 0/1\n`))
    assert.match(table, new RegExp(`${good.slice(0, 12)} +app:1 +Completed .* 0/2$`))
    assert.equal(await s.ok('builds', 'ls', '-q', '--filter', 'status=error'), bad.slice(0, 12))
    assert.equal(await s.ok('builds', 'ls', '--format', '{{.Tags}}', '--filter', 'name=app'), 'app:1')

    const text = await s.ok('builds', 'logs', good.slice(0, 5))
    assert.match(
      text,
      /#\d \[2\/3\] RUN echo one; echo two >&2\n#\d \d\.\d{3} one\n#\d \d\.\d{3} two\n#\d DONE/,
    )
    const step = /#(\d) \[2\/3\] RUN/.exec(text)?.[1] ?? ''
    const alone = await s.run(['builds', 'logs', good, '--step', step])
    assert.deepEqual([alone.stdout, alone.stderr], ['one\n', 'two\n'])
    await s.fails(1, /no step #99/, 'builds', 'logs', good, '--step', '99')
    assert.match(await s.ok('buildx', 'history', 'logs'), /reason\n[^]*Dockerfile:2\n[^]*exit code: 3$/)

    const shown = await s.ok('builds', 'inspect', '^1')
    assert.match(shown, /^Name: +app:1\nBuild ID: +\w{25}\n/)
    assert.match(shown, /#\d +\[3\/3\] RUN echo three +█+ +\d\.\ds/)
    const detail = JSON.parse(await s.ok('builds', 'inspect', good, '--format', 'json')) as {
      timeLine: { name: string; start: number; duration: number; state: string }[]
      steps: object
    }
    assert.deepEqual(detail.steps, { total: 2, done: 2, cached: 0 })
    assert.ok(detail.timeLine.every((row) => row.start >= 0 && row.duration >= 0 && row.state === 'done'))

    assert.equal(await s.ok('builds', 'rm', good), good)
    await s.fails(1, /No such build/, 'builds', 'inspect', good)
    assert.equal(await s.ok('builds', 'rm', '--all', '--filter', 'status=completed'), '')
    assert.equal(await s.ok('buildx', 'history', 'rm', '--all'), bad)
    assert.deepEqual(readdirSync(join(s.daemon.dataRoot, 'build/history')), [])
  })

  test('the log of a build that runs is followed; one that the daemon was killed in is known as such', async () => {
    const folder = context({ Dockerfile: 'FROM busybox\nRUN echo begun; sleep 60\n' })
    const running = s.spawn(['build', '--progress=plain', folder])
    const ended = finished(running, 'build')
    const id = await eventually(async () => {
      const found = await s.ok('builds', 'ls', '-q', '--filter', 'status=running')
      assert.match(await s.ok('builds', 'logs', found), /begun/)
      return found
    })
    await s.fails(1, /is running/, 'builds', 'rm', id)
    const following = s.spawn(['builds', 'logs', '-f', id])
    const followed = finished(following, 'builds logs -f')
    let seen = ''
    following.stdout.on('data', (data: Buffer) => (seen += data.toString()))
    await eventually(() => assert.match(seen, /begun/))
    await s.daemon.killHard()
    assert.equal((await ended).code, 1)
    assert.match((await followed).stdout, /begun/)
    await s.daemon.start()
    assert.match(await s.ok('builds', 'ls'), new RegExp(`${id} .* Interrupted .* 0/1`))
    assert.match(await s.ok('builds', 'logs', id), /begun/)
    await s.ok('builds', 'rm', '--all')
  })

  test('a step that runs again says what changed', async () => {
    const folder = context({
      Dockerfile:
        'FROM busybox\nARG VERSION=1\nARG API_TOKEN=a\nRUN echo $VERSION\nCOPY src/ /app/\nRUN ls /app\n',
      'src/app.ts': 'one',
      'src/x.sh': 'echo',
    })
    await s.ok('build', '-q', folder)
    writeFileSync(join(folder, 'src/app.ts'), 'two')
    chmodSync(join(folder, 'src/x.sh'), 0o755)
    const explained = await s.ok('build', '--explain', folder)
    assert.match(explained, /^HIT +\[2\/4\] RUN echo \$VERSION$/m)
    assert.match(
      explained,
      /^MISS +\[3\/4\] COPY src\/ \/app\/: src\/app\.ts \(content\), src\/x\.sh \(mode 644→755\)$/m,
    )
    assert.match(explained, /^FOLLOWS \[4\/4\] RUN ls \/app: a hit if \[3\/4\] gives the same files again$/m)
    assert.match(explained, /1 of 3 steps cached, 1 would run, 1 may follow$/)
    const { stderr } = await build(folder)
    assert.match(stderr, /#\d \[3\/4\] COPY src\/ \/app\/\n#\d MISS src\/app\.ts \(content\), src\/x\.sh/)
    assert.match(stderr, /#\d MISS follows \[3\/4\] COPY src\/ \/app\/\n/)
    const args = await build('--build-arg', 'VERSION=2', '--build-arg', 'API_TOKEN=geheim', folder)
    assert.match(args.stderr, /MISS ARG VERSION: "1"→"2", ARG API_TOKEN \(value hidden\)\n/)
    assert.doesNotMatch(await s.ok('builds', 'inspect'), /geheim/)
    assert.match(await s.ok('builds', 'inspect'), /Why steps ran:\n +#\d \[2\/4\] RUN/)
    assert.doesNotMatch((await build(folder)).stderr, /MISS/)
    await s.ok('builds', 'rm', '--all')
  })

  test('a failed step can be looked into: its files, mounts and surroundings, at once and later', async () => {
    const folder = context({
      Dockerfile:
        'FROM busybox\nWORKDIR /w\nENV E=1\n' +
        'RUN --mount=type=bind,target=/ctx --mount=type=cache,target=/c --mount=type=secret,id=s ' +
        'echo out > file; echo kept > /c/kept; missing-tool\n',
      note: 'from the context',
    })
    const key = join(s.daemon.home, 'key')
    writeFileSync(key, 'geheim')
    const look = 'pwd; cat file /ctx/note /c/kept; echo; echo "$E"; cat /run/secrets/s\n'
    const flags = ['build', '--progress=plain', '--shell', '--secret', `id=s,src=${key}`, folder]
    const atOnce = await s.run(flags, { input: look })
    assert.equal(atOnce.code, 1)
    assert.match(atOnce.stderr, /HINT: "missing-tool" is not in the image/)
    assert.match(atOnce.stderr, /HINT: "gantry builds shell \w+" opens/)
    assert.equal(atOnce.stdout, '/w\nout\nfrom the contextkept\n\n1\ngeheim')

    const later = await s.run(['builds', 'shell', '^0', 'sh', '-c', `${look} exit 7`])
    assert.equal(later.code, 7)
    assert.equal(later.stdout, '/w\nout\nfrom the contextkept\n\n1\n')
    await s.daemon.stop()
    await s.daemon.start()
    assert.match(await s.ok('builds', 'inspect'), /The failed step is kept: gantry builds shell/)
    assert.equal(await s.ok('builds', 'shell', '^0', 'cat', 'file'), 'out')
    await s.fails(1, /not found/, 'builds', 'shell', '^0', 'no-such-program')

    const leftovers = () => readdirSync(join(s.daemon.dataRoot, 'overlay/workspaces'))
    assert.equal(leftovers().length, 2)
    await s.ok('builder', 'prune', '-f')
    assert.deepEqual(leftovers(), [])
    await s.fails(1, /no failed step of build \w+ is kept/, 'builds', 'shell', '^0')
    await s.ok('builds', 'rm', '--all')
    await s.ok('builder', 'prune', '-af')
  })

  test('a shell has a terminal where we have one, and ends with its client', async () => {
    const folder = context({ Dockerfile: 'FROM busybox\nRUN echo x > /made; false\n' })
    assert.equal((await build(folder)).code, 1)
    const terminal = s.pty(['builds', 'shell', '^0'], { rows: 30, columns: 90 })
    let text = ''
    terminal.stdout.on('data', (data: Buffer) => (text += data.toString()))
    await eventually(() => assert.match(text, /# /))
    terminal.stdin.write('stty size; cat /made; echo end$((1+1))\r')
    await eventually(() => assert.match(text, /30 90\r\nx\r\nend2/))
    await s.fails(1, /a shell is open/, 'builds', 'shell', '^0', 'true')
    terminal.kill('SIGKILL')
    await eventually(async () => assert.equal(await s.ok('builds', 'shell', '^0', 'cat', '/made'), 'x'))
    await s.ok('builds', 'rm', '--all')
    await eventually(() => assert.deepEqual(readdirSync(join(s.daemon.dataRoot, 'overlay/workspaces')), []))
    assert.doesNotMatch(
      readFileSync('/proc/self/mountinfo', 'utf8'),
      new RegExp(`${s.daemon.dataRoot}/overlay/w`),
    )
  })
})
