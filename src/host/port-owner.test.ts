import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holders, portOwner, reservePort } from './port-owner.ts'

const line = (address: string, state: string, inode: number) =>
  `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0`
const table = (...lines: string[]) => ['  sl  local_address rem_address   st', ...lines].join('\n')

test('holders() finds sockets on the address, on all addresses, and dual-stack ones', () => {
  const o = { ip: '127.0.0.1', port: 8080, listening: true }
  const lines = table(
    line('0100007F:1F90', '0A', 1),
    line('00000000:1F90', '0A', 2),
    line('0200007F:1F90', '0A', 3),
    line('0100007F:1F91', '0A', 4),
    line('0100007F:1F90', '01', 5),
    line('00000000000000000000000000000000:1F90', '0A', 6),
    line('0000000000000000FFFF00000100007F:1F90', '0A', 7),
  )
  assert.deepEqual(holders(lines, o), ['1', '2', '6', '7'])
  assert.deepEqual(holders(lines, { ...o, ip: '0.0.0.0' }), ['1', '2', '3', '6', '7'])
})

test('a reserved port is refused to the next one, names its owner, and is free after dispose', () => {
  for (const protocol of ['tcp', 'udp'] as const) {
    const port = 40_000 + (process.pid % 20_000)
    {
      using _held = reservePort(protocol, '127.0.0.1', port)
      assert.throws(() => reservePort(protocol, '127.0.0.1', port), { code: 'EADDRINUSE' })
      assert.equal(portOwner(protocol, '127.0.0.1', port)?.pid, process.pid)
    }
    reservePort(protocol, '127.0.0.1', port)[Symbol.dispose]()
  }
})
