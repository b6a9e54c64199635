import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { TestRegistry } from '../../src/registry/testing.ts'
import { missing, system } from './harness.ts'

interface Descriptor {
  mediaType: string
  digest: string
  annotations?: Record<string, string>
}

suite('outputs and caches of builds, and bake', { skip: missing('gantry') }, () => {
  const s = system('gantry')
  let count = 0

  /** A directory with these files. */
  function folder(files: Readonly<Record<string, string>>): string {
    const path = join(s.daemon.home, `f${count++}`)
    mkdirSync(path)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
    return path
  }

  const small =
    'FROM busybox AS made\nRUN mkdir /d && echo hi > /d/f && ln -s /etc/passwd /d/l\n' +
    'FROM scratch\nCOPY --from=made /d /d\n'

  test('files arrive in a directory or a tar, and only of builds that succeed', async () => {
    const path = folder({ Dockerfile: small })
    const out = join(path, 'out')
    await s.ok('build', '-q', '-o', out, path)
    assert.deepEqual(readdirSync(join(out, 'd')), ['f', 'l'])
    assert.equal(readFileSync(join(out, 'd', 'f'), 'utf8'), 'hi\n')
    const tar = await s.run(['build', '-q', '-o', '-', path])
    assert.match(
      execFileSync('tar', ['tv'], { input: tar.stdout }).toString(),
      /^drwxr-xr-x 0\/0 .* d\/\n.* d\/f\n.* d\/l -> \/etc\/passwd\n$/,
    )
    await s.ok('build', '-q', '-o', `type=tar,dest=${join(path, 'o.tar')}`, path)
    writeFileSync(join(path, 'bad'), 'FROM busybox\nRUN false\n')
    await s.fails(1, /exit code: 1/, 'build', '-f', join(path, 'bad'), '-o', join(path, 'none'), path)
    assert.ok(!readdirSync(path).some((name) => name === 'none' || name.endsWith('.tmp')))
    await s.fails(1, /output type "nope" is not supported/, 'build', '-o', 'type=nope', path)
    await s.fails(1, /oci: bogus is not supported/, 'build', '-o', 'type=oci,dest=x,bogus=1', path)
  })

  test('archives hold the image, in the compression and with the annotations asked for', async () => {
    const path = folder({ Dockerfile: small })
    const meta = join(path, 'meta.json')
    const oci = join(path, 'layout')
    await s.ok(
      'build',
      '-q',
      '-t',
      'r.example/x:1',
      '--metadata-file',
      meta,
      '--annotation',
      'index,manifest:a=b',
      '-o',
      `type=oci,tar=false,dest=${oci},compression=zstd,compression-level=3`,
      path,
    )
    const blob = <T>(digest: string) =>
      JSON.parse(readFileSync(join(oci, 'blobs', digest.replace(':', '/')), 'utf8')) as T
    const top = JSON.parse(readFileSync(join(oci, 'index.json'), 'utf8')) as { manifests: Descriptor[] }
    assert.equal(top.manifests[0]?.annotations?.['io.containerd.image.name'], 'r.example/x:1')
    const index = blob<{ manifests: Descriptor[]; annotations: object }>(top.manifests[0].digest)
    assert.deepEqual(index.annotations, { a: 'b' })
    const manifest = blob<{ layers: Descriptor[]; annotations: object }>(index.manifests[0]?.digest ?? '')
    assert.deepEqual(manifest.annotations, { a: 'b' })
    assert.match(manifest.layers[0]?.mediaType ?? '', /tar\+zstd$/)
    const said = JSON.parse(readFileSync(meta, 'utf8')) as Record<string, string>
    assert.equal(said['containerimage.digest'], top.manifests[0].digest)
    assert.match(said['buildx.build.ref'] ?? '', /^default\/default\/\w+$/)

    const attested = join(path, 'attested')
    const output = `type=oci,tar=false,dest=${attested}`
    await s.ok('build', '-q', '-t', 'x', '--sbom', '--provenance=mode=max', '-o', output, path)
    const read = <T>(digest: string) =>
      JSON.parse(readFileSync(join(attested, 'blobs', digest.replace(':', '/')), 'utf8')) as T
    const first = JSON.parse(readFileSync(join(attested, 'index.json'), 'utf8')) as {
      manifests: Descriptor[]
    }
    const [image, beside] = read<{ manifests: Descriptor[] }>(first.manifests[0]?.digest ?? '').manifests
    assert.equal(beside?.annotations?.['vnd.docker.reference.digest'], image?.digest)
    const { layers } = read<{ layers: Descriptor[] }>(beside?.digest ?? '')
    assert.deepEqual(
      layers.map((each) => each.annotations?.['in-toto.io/predicate-type']),
      ['https://spdx.dev/Document', 'https://slsa.dev/provenance/v0.2'],
    )
    await s.fails(1, /attestations stand beside manifests/, 'build', '--sbom', path)

    const archive = join(path, 'docker.tar')
    const id = await s.ok('build', '-q', '-t', 'y:1', '-o', `type=docker,dest=${archive}`, '--load', path)
    await s.ok('rmi', 'y:1')
    assert.match(await s.ok('load', '-i', archive), /Loaded image: y:1/)
    assert.equal(await s.ok('image', 'inspect', '-f', '{{.Id}}', 'y:1'), id)
  })

  test('--push brings the image to its registry, and says by which digest', async () => {
    await using registry = await TestRegistry.start()
    const path = folder({ Dockerfile: small })
    const meta = join(path, 'meta.json')
    const name = `${registry.host}/team/x:1`
    await s.ok('build', '-q', '--push', '-t', name, '--metadata-file', meta, path)
    const said = JSON.parse(readFileSync(meta, 'utf8')) as Record<string, string>
    assert.ok(registry.manifests.get('team/x')?.has(said['containerimage.digest'] ?? ''))
    assert.match(await s.ok('images', '--digests'), new RegExp(said['containerimage.digest'] ?? 'none'))
    const other = `type=image,push=true,compression=zstd,name=${registry.host}/team/z:1`
    await s.ok('build', '-q', '-o', other, '--cache-to', 'type=inline', '--metadata-file', meta, path)
    const zstd = JSON.parse(readFileSync(meta, 'utf8')) as Record<string, string>
    assert.ok(registry.manifests.get('team/z')?.has(zstd['containerimage.digest'] ?? ''))
    assert.match(await s.ok('images', '--digests'), new RegExp(zstd['containerimage.digest'] ?? 'none'))
    const id = await s.ok('image', 'inspect', '-f', '{{.Id}}', `${registry.host}/team/z:1`)
    assert.equal(zstd['containerimage.config.digest'], id)
  })

  const staged =
    'FROM busybox AS tools\nRUN echo tools > /tools\nCOPY src /src\nRUN cat /src > /app\n' +
    'FROM busybox\nRUN echo base > /base\nCOPY --from=tools /app /app\n'

  test('images for several platforms: equal steps run once, and an index leads to them', async () => {
    await using registry = await TestRegistry.start()
    const text =
      'FROM --platform=$BUILDPLATFORM busybox AS made\nRUN echo shared > /shared\n' +
      'ARG TARGETARCH\nRUN echo -n $TARGETARCH > /arch\n' +
      'FROM scratch\nARG TARGETARCH\nCOPY --from=made /shared /arch /\nCOPY bin-$TARGETARCH /bin\nCMD ["/bin"]\n'
    const path = folder({ Dockerfile: text, 'bin-amd64': 'x86', 'bin-arm64': 'arm', 'bin-s390x': 'no' })
    const build = (...args: string[]) =>
      s.run([
        'build',
        '--progress=plain',
        '--platform',
        'linux/amd64',
        '--platform',
        'linux/arm64',
        ...args,
        path,
      ])

    // Files of each in a folder of its own.
    const out = join(path, 'out')
    const local = await build('-o', out)
    assert.equal(local.code, 0, local.stderr)
    const host = process.arch === 'x64' ? 'amd64' : 'arm64'
    const other = host === 'amd64' ? 'arm64' : 'amd64'
    const steps = [
      ...new Set(local.stderr.split('\n').flatMap((line) => / (\[linux.*)$/.exec(line)?.[1] ?? [])),
    ]
    const shown = steps.filter((step) => / RUN | COPY /.test(step)).toSorted()
    assert.deepEqual(
      shown,
      [
        `[linux/${host} made 2/3] RUN echo shared > /shared`,
        `[linux/${host} made 3/3] RUN echo -n $TARGETARCH > /arch`,
        `[linux/${host}->${other} made 3/3] RUN echo -n $TARGETARCH > /arch`,
        ...['amd64', 'arm64'].flatMap((arch) => [
          `[linux/${arch} stage-1 1/2] COPY --from=made /shared /arch /`,
          `[linux/${arch} stage-1 2/2] COPY bin-$TARGETARCH /bin`,
        ]),
      ].toSorted(),
    )
    assert.deepEqual(readdirSync(out), ['linux_amd64', 'linux_arm64'])
    const files = (dir: string) =>
      readdirSync(dir).map((name) => `${name} ${readFileSync(join(dir, name), 'utf8').trim()}`)
    assert.deepEqual(files(join(out, 'linux_arm64')), ['arch arm64', 'bin arm', 'shared shared'])
    assert.deepEqual(files(join(out, 'linux_amd64')), ['arch amd64', 'bin x86', 'shared shared'])
    const tar = await build('-q', '-o', '-')
    const names = execFileSync('tar', ['t'], { input: tar.stdout }).toString().trim().split('\n')
    const inEach = ['', 'arch', 'bin', 'shared']
    assert.deepEqual(
      names,
      ['amd64', 'arm64'].flatMap((arch) => inEach.map((name) => `linux_${arch}/${name}`)),
    )

    // A layout, and a registry.
    const layout = join(path, 'layout')
    const annotations = ['--annotation', 'a=all', '--annotation', 'manifest[linux/arm64]:a=arm']
    const archive = await build('-q', '-o', `type=oci,dest=${layout},tar=false`, ...annotations)
    assert.equal(archive.code, 0, archive.stderr)
    const read = (digest: string) =>
      JSON.parse(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'))
    const top = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
    const index = read(top.manifests[0].digest)
    assert.deepEqual(
      index.manifests.map((each: { platform: unknown; digest: string }) => [
        each.platform,
        read(each.digest).annotations,
        read(read(each.digest).config.digest).architecture,
      ]),
      [
        [{ os: 'linux', architecture: 'amd64' }, { a: 'all' }, 'amd64'],
        [{ os: 'linux', architecture: 'arm64' }, { a: 'arm' }, 'arm64'],
      ],
    )
    const name = `${registry.host}/team/both:1`
    const pushed = await build('--push', '-t', name, '--provenance=true')
    assert.equal(pushed.code, 0, pushed.stderr)
    const there = JSON.parse(registry.manifests.get('team/both')?.get('1')?.data.toString() ?? '{}')
    assert.deepEqual(
      there.manifests.map(({ platform }: { platform: { architecture: string } }) => platform.architecture),
      ['amd64', 'arm64', 'unknown', 'unknown'],
    )
    for (const arch of ['arm64', 'amd64']) {
      await s.ok('pull', '-q', '--platform', `linux/${arch}`, name)
      assert.equal(await s.ok('image', 'inspect', '-f', '{{.Architecture}}', name), arch)
    }

    // The local store has all of them under one name, and gives each away; a push is the index as it was built.
    const kept = `${registry.host}/team/local:1`
    const store = await build('-q', '-t', kept)
    assert.equal(store.code, 0, store.stderr)
    for (const arch of ['arm64', 'amd64'])
      assert.equal(
        await s.ok('image', 'inspect', '--platform', `linux/${arch}`, '-f', '{{.Architecture}}', kept),
        arch,
      )
    assert.equal(await s.ok('image', 'inspect', '-f', '{{.Architecture}}', kept), host)
    await s.ok('push', kept)
    const second = JSON.parse(registry.manifests.get('team/local')?.get('1')?.data.toString() ?? '{}')
    assert.deepEqual(
      second.manifests.map(({ platform }: { platform: { architecture: string } }) => platform.architecture),
      ['amd64', 'arm64'],
    )
    await s.ok('rmi', kept)
  })

  test('steps are found in caches of other machines, whichever way they came', async () => {
    await using registry = await TestRegistry.start()
    const path = folder({ Dockerfile: staged, src: 'one' })
    const forget = async (...images: string[]) => {
      await s.ok('rmi', ...images)
      await s.ok('builder', 'prune', '-af')
    }
    const ran = async (from: string) => {
      const { stderr } = await s.run(['build', '--progress=plain', '-t', 'again', '--cache-from', from, path])
      return stderr.split('\n').filter((line) => / (?:RUN|COPY) /.test(line) || line.endsWith(' CACHED'))
    }
    const local = join(path, 'cache')
    const ref = `${registry.host}/cache:1`
    const [min, max] = [
      `type=local,dest=${local},mode=min,compression=uncompressed`,
      `type=registry,ref=${ref},mode=max`,
    ]
    await s.ok('build', '-q', '-t', 'first', '--cache-to', min, '--cache-to', max, path)
    const id = await s.ok('image', 'inspect', '-f', '{{.Id}}', 'first')
    await forget('first')
    for (const from of [ref, `type=local,src=${local}`]) {
      const lines = await ran(from)
      assert.equal(lines.filter((line) => line.endsWith(' CACHED')).length, 5, lines.join('\n'))
      assert.equal(await s.ok('image', 'inspect', '-f', '{{.Id}}', 'again'), id)
      await forget('again')
    }
    // The layer below is nowhere: that step runs again.
    writeFileSync(join(path, 'src'), 'two')
    await ran(`type=local,src=${local}`)
    assert.equal(await s.ok('run', '--rm', 'again', 'cat', '/app', '/base'), 'twobase')
    await forget('again')
    // Layers that are not what they are said to be are not taken.
    const blobs = join(local, 'blobs', 'sha256')
    for (const name of readdirSync(blobs))
      if (readFileSync(join(blobs, name))[0] !== 0x7b) writeFileSync(join(blobs, name), 'forged')
    writeFileSync(join(path, 'src'), 'one')
    await ran(`type=local,src=${local}`)
    assert.equal(await s.ok('run', '--rm', 'again', 'cat', '/app', '/base'), 'onebase')
    await forget('again')

    const inline = `${registry.host}/inline:1`
    await s.ok('build', '-q', '--push', '-t', inline, '--cache-to', 'type=inline', path)
    await forget(inline)
    assert.equal((await ran(inline)).filter((line) => line.endsWith(' CACHED')).length, 5)
    // A cache that is not there, or is none, makes nothing fail.
    assert.ok((await ran(`${registry.host}/nothing`)).length > 0)
    await s.fails(1, /--cache-to type=gha is not supported/, 'build', '--cache-to', 'type=gha', path)
  })

  test('bake builds targets from each other, side by side', async () => {
    const path = folder({
      Dockerfile: 'FROM base\nARG V\nRUN echo $V > /v\n',
      'docker-bake.hcl':
        'variable "V" { default = "1" }\n' +
        'group "default" { targets = ["app", "files"] }\n' +
        'target "base" { dockerfile-inline = "FROM busybox\\nRUN echo b > /b\\n" }\n' +
        'target "app" {\n contexts = { base = "target:base" }\n tags = ["app:${V}"]\n args = { V = V }\n}\n' +
        'target "files" {\n inherits = ["app"]\n output = ["out"]\n}\n',
    })
    const env = { V: '7' }
    const meta = join(path, 'meta.json')
    const baked = await s.run(['buildx', 'bake', '--metadata-file', meta], { cwd: path, env })
    assert.equal(baked.code, 0, baked.stderr)
    assert.match(baked.stderr, /\[app \d\/\d\] RUN echo \$V > \/v/)
    assert.equal(await s.ok('run', '--rm', 'app:7', 'cat', '/v', '/b'), '7\nb')
    assert.equal(readFileSync(join(path, 'out', 'v'), 'utf8'), '7\n')
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(meta, 'utf8')) as object), ['app', 'base', 'files'])
    const printed = await s.run(['buildx', 'bake', '--print', 'files', '--set', '*.args.V=8'], { cwd: path })
    assert.match(printed.stdout, /"V": "8"/)
    const wrong = await s.run(['buildx', 'bake', 'nope'], { cwd: path })
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /^ERROR: failed to find target nope\n$/)
    const failing = await s.run(
      ['buildx', 'bake', 'app', '--set', 'base.dockerfile-inline=FROM busybox\nRUN false\n'],
      { cwd: path },
    )
    assert.equal(failing.code, 1)
    assert.match(failing.stderr, /ERROR: target base: failed to solve: .*exit code: 1/)
  })
})
