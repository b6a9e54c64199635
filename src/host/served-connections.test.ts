import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countServed } from './served-connections.ts'

test('countServed() counts what came in, not what goes out', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue',
    '   0: 00000000:1F90 00000000:0000 0A 00000000:00000000', // listens on 8080
    '   1: 0200A8C0:1F90 0100A8C0:C350 01 00000000:00000000', // served
    '   2: 0200A8C0:1F90 0100A8C0:C351 06 00000000:00000000', // TIME_WAIT
    '   3: 0200A8C0:D431 0300A8C0:1538 01 00000000:00000000', // to a database
    '',
  ].join('\n')
  assert.equal(countServed([table]), 1)
  assert.equal(countServed([]), 0)
})
