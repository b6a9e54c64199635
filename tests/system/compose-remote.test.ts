/** `gantry compose` with files that are elsewhere: in git repositories, and as artifacts that `publish` makes. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { commit, git, serveGit } from '../../src/build/source/git-server.ts'
import { digestOf } from '../../src/lib/digest.ts'
import { TestRegistry } from '../../src/registry/testing.ts'
import { system } from './harness.ts'

const long = { image: 'busybox', command: ['sleep', '1000'], stop_signal: 'SIGKILL' }
const json = (content: object) => JSON.stringify(content)

suite('compose files from elsewhere', () => {
  const s = system()
  const folderOf = (files: Readonly<Record<string, string>>) => {
    const folder = mkdtempSync(join(s.daemon.home, 'c-'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    return folder
  }
  /** Runs compose in a folder, with a cache of its own. */
  const compose = async (folder: string, ...args: string[]) => {
    const env = { XDG_CACHE_HOME: join(s.daemon.home, 'cache') }
    return await s.run(['compose', ...args], { cwd: folder, env })
  }
  const ok = async (folder: string, ...args: string[]) => {
    const { code, stdout, stderr } = await compose(folder, ...args)
    assert.equal(code, 0, stderr)
    return stdout
  }
  const fails = async (text: RegExp, folder: string, ...args: string[]) => {
    const { code, stderr } = await compose(folder, ...args)
    assert.equal(code, 1)
    assert.match(stderr, text)
  }

  test('git: -f, include and extends; a checkout for each commit', async () => {
    const root = join(s.daemon.home, 'git')
    const work = join(root, 'work')
    mkdirSync(root)
    const files = {
      'compose.yaml': json({
        services: { web: { ...long, volumes: ['./data:/data'], env_file: ['web.env'] } },
      }),
      'web.env': 'FROM_REPOSITORY=1\n',
      'sub/compose.yaml': json({ services: { sub: { ...long, environment: { LEVEL: '${LEVEL:-low}' } } } }),
    }
    const id = commit(work, files)
    symlinkSync('/etc/passwd', join(work, 'out.yaml'))
    git(work, 'add', '-A')
    git(work, 'commit', '-q', '-m', 'out')
    git(root, 'clone', '-q', '--bare', work, 'app.git')
    const server = await serveGit(root)
    try {
      const address = `${server.url}/app.git`
      const here = folderOf({
        'compose.yaml': json({
          name: 'mixed',
          include: [`${address}#main:sub`],
          services: { own: { extends: { file: `${address}#${id}`, service: 'web' } } },
        }),
      })
      const config = await ok(here, 'config')
      assert.match(config, /^ {2}own:$/m)
      assert.match(config, /FROM_REPOSITORY: "1"/)
      assert.match(config, new RegExp(`source: \\S+/docker-compose/${id}/data$`, 'm'))
      assert.match(config, /^ {2}sub:$/m)
      const asked = server.asked.length
      assert.match(await ok(here, '-f', `${address}#${id}`, 'config', '--services'), /^web$/m)
      assert.equal(server.asked.length, asked, 'a commit that is here is not asked for')
      assert.deepEqual(
        readdirSync(join(s.daemon.home, 'cache/docker-compose')).filter((name) => name.startsWith('.')),
        [],
      )

      await fails(/operation cancelled by user/, here, '-f', `${address}#main:sub`, 'up', '-d')
      const told = await ok(here, '-f', `${address}#main:sub`, '-p', 'far', 'up', '-d', '-y')
      assert.match(told, /^Your compose stack "http:\S+app\.git#main:sub" is stored in "\S+\/sub"$/m)
      assert.equal((await ok(here, '-p', 'far', 'ps', '--services')).trim(), 'sub')
      await ok(here, '-p', 'far', 'down')

      await fails(/does not contain ref nowhere/, here, '-f', `${address}#nowhere`, 'config')
      await fails(/has no none/, here, '-f', `${address}#main:none`, 'config')
      await fails(/leads out of .*: refused/, here, '-f', `${address}#main:out.yaml`, 'config')
      await fails(/failed to access repository/, here, '-f', `${server.url}/none.git`, 'config')
      await fails(/remote files are git repositories/, here, '-f', `${server.url}/compose.yaml`, 'config')
    } finally {
      await server.close()
    }
  })

  test('publish, and run what was published', async () => {
    await using registry = await TestRegistry.start()
    const here = folderOf({
      'compose.yaml': json({
        name: 'published',
        services: {
          web: { ...long, env_file: ['web.env'], extends: { file: 'base.yaml', service: 'base' } },
        },
      }),
      'base.yaml': json({ services: { base: { labels: { from: 'base' } } } }),
      'web.env': 'LEVEL=low\n',
    })
    const name = `${registry.host}/team/app:1`
    await fails(/service "web" has env_file declared/, here, 'publish', name)
    assert.match(
      (await compose(here, '--dry-run', 'publish', '--with-env', name)).stderr,
      /DRY-RUN MODE .*published/,
    )
    assert.equal(registry.manifests.size, 0)
    await ok(here, 'publish', '--with-env', name)
    const manifest = JSON.parse(registry.manifests.get('team/app')?.get('1')?.data.toString() ?? '') as {
      artifactType: string
      layers: { mediaType: string; annotations: Record<string, string> }[]
    }
    assert.equal(manifest.artifactType, 'application/vnd.docker.compose.project')
    assert.deepEqual(
      manifest.layers.map(({ mediaType, annotations }) => [
        mediaType.split('.').at(-1),
        annotations['com.docker.compose.extends'],
      ]),
      [
        ['file+yaml', undefined],
        ['file+yaml', 'true'],
        ['envfile', undefined],
      ],
    )
    const elsewhere = folderOf({})
    const config = await ok(elsewhere, '-f', `oci://${name}`, 'config')
    assert.match(config, /^name: published$/m)
    assert.match(config, /LEVEL: low/)
    assert.match(config, /from: base/)
    await ok(elsewhere, '-f', `oci://${name}`, 'up', '-d', '-y')
    assert.equal((await ok(elsewhere, '-p', 'published', 'ps', '--services')).trim(), 'web')
    await ok(elsewhere, '-p', 'published', 'down')
    const included = folderOf({ 'compose.yaml': json({ include: [`oci://${name}`] }) })
    assert.equal((await ok(included, 'config', '--services')).trim(), 'web')
  })

  test('what is no application, or would write elsewhere, is refused', async () => {
    await using registry = await TestRegistry.start()
    const here = folderOf({})
    const put = (tag: string, layers: readonly (readonly [string, string])[], artifactType?: string) => {
      const content = Buffer.from('services: {}\n')
      registry.addBlob('app', content)
      const manifest = {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType: artifactType ?? 'application/vnd.docker.compose.project',
        layers: layers.map(([kind, file]) => ({
          mediaType: `application/vnd.docker.compose.${kind}`,
          digest: digestOf(content),
          size: content.length,
          annotations:
            kind === 'envfile'
              ? { 'com.docker.compose.envfile': file }
              : { 'com.docker.compose.file': file, 'com.docker.compose.extends': 'true' },
        })),
      }
      registry.addManifest('app', tag, manifest.mediaType, manifest)
    }
    put('image', [], 'application/x-other')
    put('up', [['file+yaml', '../../evil.yaml']])
    put('env', [['envfile', '/etc/evil']])
    put('main', [['file+yaml', 'compose.yaml']])
    const from = (tag: string) => ['-f', `oci://${registry.host}/app:${tag}`, 'config']
    await fails(/is not a compose project OCI artifact, but application\/x-other/, here, ...from('image'))
    for (const tag of ['up', 'env', 'main'])
      await fails(/the artifact has a file of the name ".*": refused/, here, ...from(tag))
    await fails(/failed to pull OCI resource/, here, ...from('none'))
    const cache = join(s.daemon.home, 'cache')
    assert.ok(!existsSync(join(cache, 'evil.yaml')) && !existsSync('/etc/evil'))
  })
})
