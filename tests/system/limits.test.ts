/** Limits as the kernel has them, set at the start and changed while it runs; with both versions of cgroups (tools/vm has the second). */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { suite, test } from 'node:test'
import { eventually, system } from './harness.ts'

const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers')

interface Inspected {
  Id: string
  State: { Status: string; OOMKilled: boolean; Reason?: { Kind: string; Text: string } }
}

suite('limits of containers', () => {
  const s = system()
  /** Files of a container's cgroup: `[controller of version 1, file there, file of version 2]`. */
  const reader = async (name: string) => {
    const { Id } = await s.inspect<Inspected>(name)
    return (controller: string, v1: string, v2: string) => {
      const folder = isV2 ? '' : `/${controller}`
      return readFileSync(
        `/sys/fs/cgroup${folder}${s.daemon.cgroupParent}/${Id}/${isV2 ? v2 : v1}`,
        'utf8',
      ).trim()
    }
  }
  const ended = async (name: string) =>
    eventually(async () => {
      const { State } = await s.inspect<Inspected>(name)
      assert.equal(State.Status, 'exited')
      return State
    })

  test('memory, processors and processes, at the start and by update', async () => {
    const flags =
      '--memory=64m --memory-reservation=32m --cpus=0.5 --pids-limit=50 --cpuset-cpus=0 --cpu-shares=512'
    await s.ok('run', '-d', '--name', 'limited', ...flags.split(' '), 'busybox', 'sleep', '1000')
    const read = await reader('limited')
    const seen = () => ({
      memory: read('memory', 'memory.limit_in_bytes', 'memory.max'),
      reservation: read('memory', 'memory.soft_limit_in_bytes', 'memory.low'),
      quota: isV2 ? read('', '', 'cpu.max').split(' ')[0] : read('cpu', 'cpu.cfs_quota_us', ''),
      // Version 2 counts shares from 1 to 10,000.
      shares: read('cpu', 'cpu.shares', 'cpu.weight'),
      pids: read('pids', 'pids.max', 'pids.max'),
      cpus: read('cpuset', 'cpuset.cpus', 'cpuset.cpus'),
    })
    assert.deepEqual(seen(), {
      memory: String(64 << 20),
      reservation: String(32 << 20),
      quota: '50000',
      shares: isV2 ? '20' : '512',
      pids: '50',
      cpus: '0',
    })
    const last = availableParallelism() - 1
    const changes = `--memory=128m --memory-swap=256m --memory-reservation=64m --cpus=0.8 --pids-limit=99 --cpuset-cpus=0-${last} --cpu-shares=2048`
    await s.ok('update', ...changes.split(' '), 'limited')
    assert.deepEqual(seen(), {
      memory: String(128 << 20),
      reservation: String(64 << 20),
      quota: '80000',
      shares: isV2 ? '79' : '2048',
      pids: '99',
      cpus: last === 0 ? '0' : `0-${last}`,
    })
    const row = await s.ok('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}} {{.PIDs}}', 'limited')
    assert.match(row, /^limited [\d.]+\w*iB \/ 128MiB 1$/)
    await s.ok('pause', 'limited')
    assert.match(read('freezer', 'freezer.state', 'cgroup.freeze'), /^(FROZEN|1)$/)
    await s.ok('unpause', 'limited')
    assert.match(read('freezer', 'freezer.state', 'cgroup.freeze'), /^(THAWED|0)$/)
    await s.ok('rm', '-f', 'limited')
  })

  test('the memory limit is told as the reason, with the process and what it held', async () => {
    await s.ok('run', '-d', '--name', 'hungry', '--memory', '20m', 'busybox', 'tail', '/dev/zero')
    const { OOMKilled, Reason } = await ended('hungry')
    assert.equal(OOMKilled, true)
    assert.equal(Reason?.Kind, 'memory-limit')
    assert.match(
      Reason.Text,
      /^memory limit: the kernel killed tail \(pid \d+\), which held [\d.]+MiB, at the container's limit of 20MiB/,
    )
    assert.match(await s.ok('why', 'hungry'), /with code 137, [^]*memory limit: the kernel killed tail/)
    await s.ok('rm', 'hungry')
  })

  test('what the kernel cannot limit is said, and left out', async () => {
    const flags = '--memory=20m --memory-swappiness=10 --oom-kill-disable'
    const { code, stderr } = await s.run(['run', '--rm', ...flags.split(' '), 'busybox', 'true'])
    assert.equal(code, 0, stderr)
    const discarded = /WARNING: Your kernel does not support (memory swappiness|OomKillDisable)/g
    assert.equal(stderr.match(discarded)?.length ?? 0, isV2 ? 2 : 0)
  })
})
