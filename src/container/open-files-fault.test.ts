import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFilesFault } from './open-files-fault.ts'

const few = { Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }] }

test('openFilesFault() blames the limit for a runtime that has too few files', () => {
  const emfile = 'crun create failed: openat2 `sys/fs/cgroup/pids`: Too many open files'
  assert.match(openFilesFault(emfile, few) ?? '', /^--ulimit nofile=10 leaves too few open files/)
  const misleading = 'writing file `/sys/fs/cgroup/cpuset/x/cgroup.procs`: No space left on device'
  assert.match(openFilesFault(misleading, few) ?? '', /nofile=10/)
  assert.equal(openFilesFault('mount `a` to `b`: Invalid argument', few), undefined)
  assert.equal(openFilesFault(misleading, {}), undefined)
  assert.equal(openFilesFault(emfile, { Ulimits: [{ Name: 'nofile', Soft: 1024, Hard: 1024 }] }), undefined)
})
