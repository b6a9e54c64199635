/** The package that `npm pack` makes, where npm would put it, with the packages that it names and no others. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { writeCli } from '../../tools/build/cli.ts'
import { writeClient } from '../../tools/build/client.ts'
import { writeDaemon } from '../../tools/build/daemon.ts'
import { command, root } from './harness.ts'

interface Manifest {
  readonly version: string
  readonly files: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

suite('the package', () => {
  const place = mkdtempSync(join(tmpdir(), 'gantry-package-'))
  const modules = join(place, 'lib/node_modules')
  const bin = join(place, 'bin')
  // Decoded by npm as well; here it is our own file.
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  const ok = async (argv: string[], cwd = '/') => {
    const { code, stdout, stderr } = await command(argv, { cwd })
    assert.equal(code, 0, stderr + stdout)
    return stdout
  }

  before(async () => {
    // What the script `prepack` does, in a place of its own: other tests use the programs of this checkout.
    const stage = join(place, 'stage')
    for (const name of ['package.json', 'README.md', 'LICENSE', ...manifest.files])
      if (name !== 'dist') cpSync(join(root, name), join(stage, name), { recursive: true })
    await Promise.all([
      writeCli(join(stage, 'dist/cli')),
      writeDaemon(join(stage, 'dist')),
      writeClient(join(stage, 'dist')),
    ])
    await ok(['npm', 'pack', '--ignore-scripts', '--pack-destination', place, stage])
    const inside = join(modules, 'gantry')
    mkdirSync(inside, { recursive: true })
    const tarball = join(place, `gantry-${manifest.version}.tgz`)
    await ok(['tar', '-xzf', tarball, '-C', inside, '--strip-components=1'])
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      mkdirSync(dirname(join(modules, name)), { recursive: true })
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
    }
    mkdirSync(bin)
    for (const name of ['gantry', 'gantryd']) symlinkSync(join(inside, 'bin', name), join(bin, name))
  })
  after(() => rmSync(place, { recursive: true }))

  test('has the programs', async () => {
    assert.equal(await ok([join(bin, 'gantry'), '--version']), `Gantry version ${manifest.version}\n`)
    assert.equal(await ok([join(bin, 'gantryd'), '--version']), `gantryd version ${manifest.version}\n`)
    assert.match(await ok([join(bin, 'gantry'), 'compose', 'up', '--help']), /Create and start containers/)
    const serve = await command([join(bin, 'gantry'), 'registry', 'serve', '--listen', '127.0.0.1:none'])
    assert.equal(serve.code, 1)
    assert.match(serve.stderr, /127\.0\.0\.1:none/)
  })

  test('gives programs the typed client', async () => {
    const program = join(modules, '../program.ts')
    writeFileSync(
      program,
      `import { connect, ConnectError, type Client } from 'gantry'
const client: Client = connect({ host: 'unix:///nowhere' })
// @ts-expect-error: ids are text
const id = async (): Promise<number> => (await client.containers.create({ Image: 'busybox' })).Id
await id().catch((error: unknown) => console.log(error instanceof ConnectError))
`,
    )
    const config = {
      compilerOptions: {
        module: 'nodenext',
        target: 'esnext',
        strict: true,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      },
      files: ['program.ts'],
    }
    writeFileSync(join(modules, '../tsconfig.json'), JSON.stringify(config))
    writeFileSync(join(modules, '../package.json'), '{"type":"module"}')
    await ok([process.execPath, join(root, 'node_modules/.bin/tsc'), '--project', dirname(program)])
    assert.equal(await ok([process.execPath, program]), 'true\n')
  })
})
