import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limitFault } from './limit-fault.ts'

const few = { Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }] }

test('limitFault() blames the limit for a runtime that has too few files', () => {
  const emfile = 'crun create failed: openat2 `sys/fs/cgroup/pids`: Too many open files'
  assert.match(limitFault(emfile, few) ?? '', /^--ulimit nofile=10 leaves too few open files/)
  const misleading = 'writing file `/sys/fs/cgroup/cpuset/x/cgroup.procs`: No space left on device'
  assert.match(limitFault(misleading, few) ?? '', /nofile=10/)
  assert.equal(limitFault('mount `a` to `b`: Invalid argument', few), undefined)
  assert.equal(limitFault(misleading, {}), undefined)
  assert.equal(limitFault(emfile, { Ulimits: [{ Name: 'nofile', Soft: 1024, Hard: 1024 }] }), undefined)
})

test('limitFault() names the weight that a runtime cannot set', () => {
  const message = 'crun create failed: opening file `blkio.weight` for writing: No such file or directory'
  assert.match(
    limitFault(message, { BlkioWeight: 300 }) ?? '',
    /^--blkio-weight 300 cannot be set by this runtime/,
  )
  assert.equal(limitFault(message, {}), undefined)
})

test('limitFault() says which scheduler knows weights of devices', () => {
  const h = { BlkioWeightDevice: [{ Path: '/dev/sda', Weight: 300 }] }
  for (const message of [
    'crun create failed: write io.weight: Operation not supported',
    'setting device weight "254:0 300": write /sys/fs/cgroup/x/io.bfq.weight: operation not supported',
  ])
    assert.match(limitFault(message, h) ?? '', /^--blkio-weight-device needs a device that bfq schedules/)
})
