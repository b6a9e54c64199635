import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertRunnable } from './emulation.ts'

test('foreign platforms run where the processor or a registered emulator runs them', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gbinfmt-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'status'), 'enabled\n')
  const entry = (name: string, o: { state?: string; flags: string; magic: string }) =>
    writeFileSync(
      join(dir, name),
      `${o.state ?? 'enabled'}\ninterpreter /usr/bin/x\nflags: ${o.flags}\noffset 0\nmagic ${o.magic}\n`,
    )
  const little = '7f454c460201010000000000000000000200'
  entry('qemu-aarch64', { flags: 'POCF', magic: `${little}b700` })
  entry('qemu-riscv64', { flags: 'OC', magic: `${little}f300` })
  entry('qemu-ppc64le', { state: 'disabled', flags: 'F', magic: `${little}1500` })
  entry('qemu-s390x', { flags: 'F', magic: '7f454c4602020100000000000000000000020016' })
  entry('python', { flags: 'F', magic: '6f0d0d0a' })
  const runs = (platform: string) => {
    try {
      assertRunnable(platform, { host: 'amd64', dir })
      return true
    } catch (error) {
      assert.match(String(error), /RUN for linux\/\w+ is not possible on linux\/amd64/)
      return false
    }
  }
  const platforms = ['amd64', '386', 'arm64', 's390x', 'riscv64', 'ppc64le', 'arm', 'vax'].map(
    (a) => `linux/${a}`,
  )
  assert.deepEqual(platforms.filter(runs), ['linux/amd64', 'linux/386', 'linux/arm64', 'linux/s390x'])
  assert.throws(() => assertRunnable('linux/arm64', { host: 'amd64', dir: join(dir, 'none') }), {
    kind: 'unsupported',
  })
})
