import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ioStat } from './cgroup-usage.ts'
import { parseNetDev } from './net-usage.ts'

test('io.stat is told by device and direction', () => {
  assert.deepEqual(ioStat('8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n'), {
    bytes: [
      { major: 8, minor: 0, op: 'read', value: 10 },
      { major: 8, minor: 0, op: 'write', value: 20 },
    ],
    operations: [
      { major: 8, minor: 0, op: 'read', value: 1 },
      { major: 8, minor: 0, op: 'write', value: 2 },
    ],
  })
  assert.deepEqual(ioStat(undefined), { bytes: [], operations: [] })
})

test('traffic is told by interface, the loopback’s not', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    1046      12    1    2    0     0          0         0      126       3    4    5    0     0       0          0
`
  assert.deepEqual(parseNetDev(text), {
    eth0: {
      received: { bytes: 1046, packets: 12, errors: 1, dropped: 2 },
      sent: { bytes: 126, packets: 3, errors: 4, dropped: 5 },
    },
  })
})
