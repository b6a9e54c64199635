import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { finished, system } from './harness.ts'

const good = 'services:\n  good: {image: busybox, command: sleep 100, init: true}\n'
const bad = (line: string, more = '') =>
  `${good}  bad:\n    image: busybox\n    command: sleep 100\n    ${line}\n${more}`

/** Found in the files: nothing is made. */
const unmade: readonly (readonly [what: string, file: string, fault: RegExp])[] = [
  ['no YAML', `${good}  bad: [x\n`, /^compose\.yaml:\d+:\d+: invalid YAML: /],
  [
    'a key nobody knows',
    bad('imgae: x'),
    /^compose\.yaml:6:5: .*'imgae' not allowed; did you mean 'image'\?$/,
  ],
  ['a wrong type', bad('ports: 80'), /^compose\.yaml:6:12: services\.bad\.ports must be a list, not 80$/],
  [
    'a volume that is not there',
    bad('volumes: ["data:/x"]'),
    /^compose\.yaml:6:15: .* undefined volume data$/,
  ],
  ['a circle', bad('depends_on: [bad]'), /^compose\.yaml:6:5: dependency cycle detected: bad -> bad$/],
  [
    'a variable that has to be set',
    bad('hostname: "${NOPE:?say it}"'),
    /^compose\.yaml:6:15: .*NOPE is missing a value: say it$/,
  ],
  [
    'an env file that is missing',
    bad('env_file: none.env'),
    /^compose\.yaml:6:15: env file .*none\.env not found/,
  ],
  [
    'a size that is none',
    bad('mem_limit: lots'),
    /^compose\.yaml:6:16: services\.bad\.mem_limit: invalid size: 'lots'$/,
  ],
  [
    'a secret without its file',
    bad('secrets: [s]', 'secrets: {s: {file: ./none}}\n'),
    /^compose\.yaml:6:15: .*secret "s": file .*none does not exist$/,
  ],
  [
    'a value that no engine takes',
    bad('cap_add: [NET_ADMN]'),
    /^compose\.yaml:6:15: .*did you mean NET_ADMIN\?$/,
  ],
  [
    'a port for two',
    bad('ports: ["18080:80"]', '  more: {image: busybox, ports: ["18080:80"]}\n'),
    /^compose\.yaml:7:34: .*port 18080\/tcp is published by service "bad" already/,
  ],
  ['what is for somebody else', bad('provider: {type: x}'), /^compose\.yaml:6:5: .*provider/],
  [
    'an external network that is missing',
    bad('networks: [n]', 'networks: {n: {external: true}}\n'),
    /network n declared as external, but could not be found$/,
  ],
]

/** What only the engine knows: made perhaps, but not started, and told with the line. */
const unstarted: readonly (readonly [what: string, file: string, fault: RegExp])[] = [
  [
    'a runtime',
    bad('runtime: nope'),
    /^compose\.yaml:6:14: services\.bad\.runtime: unknown or invalid runtime name: nope/,
  ],
  [
    'a log driver',
    bad('logging: {driver: gelf}'),
    /^compose\.yaml:6:23: services\.bad\.logging\.driver: .*gelf/,
  ],
  [
    'a folder of the host',
    bad('volumes: [{type: bind, source: /nope/nope, target: /x, bind: {create_host_path: false}}]'),
    /^compose\.yaml:6:36: .*bind source path does not exist: \/nope\/nope$/,
  ],
]

suite('faults of Compose files', () => {
  const s = system()

  async function up(name: string, text: string): Promise<string> {
    const cwd = join(s.daemon.home, name)
    mkdirSync(cwd, { recursive: true })
    writeFileSync(join(cwd, 'compose.yaml'), text)
    const { code, stderr, stdout } = await s.run(['compose', 'up', '-d'], { cwd })
    assert.equal(code, 1, `${name}: ${stdout}${stderr}`)
    return stderr.trimEnd().split('\n').at(-1) ?? ''
  }

  async function all() {
    const { Volumes } = await s.daemon.json<{ Volumes: unknown[] | null }>('GET', '/volumes')
    const networks = await s.daemon.json<{ Name: string }[]>('GET', '/networks')
    const containers = await s.daemon.json<{ State: string }[]>('GET', '/containers/json?all=1')
    return { volumes: Volumes ?? [], networks: networks.map(({ Name }) => Name).toSorted(), containers }
  }

  test('what the files have wrong is one sentence with its place, and nothing is made', async () => {
    for (const [index, [what, text, fault]] of unmade.entries()) {
      assert.match(await up(`unmade${index}`, text), fault, what)
      assert.deepEqual(
        await all(),
        { volumes: [], networks: ['bridge', 'host', 'none'], containers: [] },
        what,
      )
    }
  })

  test('what the engine refuses is told with its line, and nothing is started', async () => {
    for (const [index, [what, text, fault]] of unstarted.entries()) {
      assert.match(await up(`unstarted${index}`, text), fault, what)
      const { containers } = await all()
      assert.ok(
        containers.every(({ State }) => State === 'created'),
        what,
      )
      await s.run(['compose', 'down'], { cwd: join(s.daemon.home, `unstarted${index}`) })
    }
  })

  test('a question waits for its answer in a terminal, and Ctrl+C at it changes nothing', async () => {
    const file = (label: string) =>
      `${good.trimEnd().slice(0, -1)}, volumes: ["held:/held"]}\nvolumes: {held: {labels: {is: "${label}"}}}\n`
    const cwd = s.folder({ 'compose.yaml': file('a') })
    const argv = ['compose', '--project-directory', cwd, '-p', 'asked']
    await s.ok(...argv, 'up', '-d')
    writeFileSync(join(cwd, 'compose.yaml'), file('b'))
    const answered = async (answer: string, ...up: string[]) => {
      const terminal = s.pty([...argv, 'up', ...up])
      terminal.stdout.on('data', (data: Buffer) => {
        if (data.includes('[y/N]')) terminal.stdin.write(answer)
      })
      const { code, stdout } = await finished(terminal, 'up')
      const { Labels } = await s.daemon.json<{ Labels: object }>('GET', '/volumes/asked_held')
      return { code, stdout, is: 'is' in Labels && Labels.is }
    }
    const no = await answered('n\r', '-d')
    assert.deepEqual([no.code, no.is], [0, 'a'])
    assert.match(no.stdout, /it is left as it is/)
    for (const up of [[], ['-d']]) {
      const interrupted = await answered('\x03', ...up)
      assert.deepEqual([interrupted.code, interrupted.is], [130, 'a'], interrupted.stdout)
    }
    const yes = await answered('y\r', '-d')
    assert.deepEqual([yes.code, yes.is], [0, 'b'], yes.stdout)
    await s.ok(...argv, 'down', '-v', '-t', '0')
  })

  test('who waits for an unhealthy container is told what its check said', async () => {
    const check = '{test: "echo no such database; exit 3", interval: 100ms, retries: 2}'
    const cwd = s.folder({
      'compose.yaml': `${good.trimEnd().slice(0, -1)}, healthcheck: ${check}}\n`,
    })
    const argv = ['compose', '--project-directory', cwd, '-p', 'ill']
    await s.fails(
      1,
      /^container ill-good-1 is unhealthy: its last check exited with 3: no such database$/m,
      ...argv,
      'up',
      '--wait',
    )
    await s.ok(...argv, 'down', '-t', '0')
  })
})
