import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SyscallError } from './libc.ts'

test('errors have the names that Linux gives them', () => {
  const codes = [1, 2, 25, 95].map((errno) => new SyscallError('ioctl', errno, '/x').code)
  assert.deepEqual(codes, ['EPERM', 'ENOENT', 'ENOTTY', 'EOPNOTSUPP'])
  assert.equal(new SyscallError('ioctl', 95, '/x').message, 'EOPNOTSUPP: ioctl "/x"')
})
