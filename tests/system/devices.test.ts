/** Devices that vendors describe (CDI), and runtimes that containers choose. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { system } from './harness.ts'

const directory = mkdtempSync('/tmp/gt-cdi-')
after(() => rmSync(directory, { recursive: true }))
writeFileSync(
  join(directory, 'vendor.yaml'),
  `cdiVersion: 0.6.0
kind: vendor.com/device
devices:
  - name: one
    containerEdits:
      env: [ONE=yes]
      deviceNodes: [{ path: /dev/one, hostPath: /dev/null, permissions: rw }]
      mounts: [{ hostPath: ${directory}, containerPath: /vendor, options: [ro, bind] }]
`,
)

suite('devices and runtimes', () => {
  const s = system('gantry', { flags: ['--cdi-spec-dir', directory, '--add-runtime', 'mine=/usr/bin/runc'] })
  const refused = async (flags: string, message: RegExp) => {
    const { code, stderr } = await s.run(['run', '--rm', ...flags.split(' '), 'busybox', 'true'])
    assert.equal(code, 125, flags)
    assert.match(stderr, message)
  }

  test('--device vendor/class=name gives what the vendor’s file says', async () => {
    const script = 'echo $ONE; ls /vendor; echo x > /dev/one && stat -c %t:%T /dev/one'
    assert.equal(
      await s.ok('run', '--rm', '--device', 'vendor.com/device=one', 'busybox', 'sh', '-c', script),
      'yes\nvendor.yaml\n1:3',
    )
    await refused('--device vendor.com/device=two', /unresolvable CDI devices vendor\.com\/device=two/)
    await refused('--gpus all', /could not select device driver "" with capabilities: \[\[gpu\]\]/)
  })

  test('--runtime: those that are installed, and those that are registered', async () => {
    for (const runtime of ['crun', 'runc', 'io.containerd.runc.v2', 'mine']) {
      await s.ok('run', '-d', '--name', 'chosen', '--runtime', runtime, 'busybox', 'sleep', '1000')
      assert.equal(await s.ok('exec', 'chosen', 'echo', runtime), runtime)
      await s.ok('rm', '-f', 'chosen')
    }
    await refused('--runtime kata', /unknown or invalid runtime name: kata/)
  })

  test('what cannot be had is refused with the reason', async () => {
    await refused('--storage-opt size=1g', /project quotas/)
    await refused('--cpuset-cpus 4000', /Requested CPUs are not available - requested 4000, available: /)
    await refused('--isolation hyperv', /linux only supports 'default'/)
    await s.ok('run', '--rm', '--pids-limit', '-1', 'busybox', 'true')
  })
})
