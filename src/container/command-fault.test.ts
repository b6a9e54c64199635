import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { commandFault } from './command-fault.ts'
import { CommandTree } from './command-tree.ts'

/** The head of a 64-bit little-endian program, with a loader when one is named. */
function elf(machine: number, loader?: string): Buffer {
  const head = Buffer.alloc(256)
  head.write('\x7fELF\x02\x01', 'latin1')
  head.writeUInt16LE(machine, 18)
  head.writeBigUInt64LE(64n, 32)
  head.writeUInt16LE(56, 54)
  head.writeUInt16LE(loader === undefined ? 0 : 1, 56)
  if (loader !== undefined) {
    head.writeUInt32LE(3, 64)
    head.writeBigUInt64LE(128n, 64 + 8)
    head.writeBigUInt64LE(BigInt(loader.length + 1), 64 + 32)
    head.write(loader, 128)
  }
  return head
}

const amd64 = 62
/** 0xbeef: nobody registers an emulator for it. */
const alien = 0xbeef

function faultOf(program: string, files: Record<string, string | Buffer>): string {
  const path = mkdtempSync(join(tmpdir(), 'fault-'))
  try {
    for (const [name, content] of Object.entries({ '/bin/sh': elf(amd64), ...files })) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), content)
      chmodSync(join(path, name), name.includes('plain') ? 0o644 : 0o755)
    }
    using tree = new CommandTree(path, [])
    const fault = commandFault({
      tree,
      program,
      cwd: '/app',
      path: '/usr/bin:/bin',
      hostArchitecture: 'amd64',
    })
    return fault ? `${fault.kind}: ${fault.text}` : 'none'
  } finally {
    rmSync(path, { recursive: true })
  }
}

test('commandFault() finds nothing wrong with what runs', () => {
  assert.equal(faultOf('sh', {}), 'none')
  assert.equal(faultOf('/bin/sh', {}), 'none')
  assert.equal(faultOf('./run', { '/app/run': '#!/bin/sh\ntrue\n' }), 'none')
  assert.equal(faultOf('run', { '/bin/run': '#! /usr/bin/env -S sh\n', '/usr/bin/env': elf(amd64) }), 'none')
  assert.equal(faultOf('x', { '/bin/x': elf(amd64, '/lib/ld.so'), '/lib/ld.so': '' }), 'none')
})

test('commandFault() says what is not there, and what may have been meant', () => {
  assert.match(
    faultOf('pyhton', { '/bin/python': '' }),
    /^not-found: no program "pyhton" .*did you mean python\?/,
  )
  assert.match(
    faultOf('/app/sart.sh', { '/app/start.sh': '' }),
    /^not-found: .*did you mean \/app\/start.sh\?/,
  )
  assert.match(faultOf('zzz', {}), /PATH \(\/usr\/bin:\/bin\)$/)
})

test('commandFault() tells permission, directory, line ends and missing first lines apart', () => {
  assert.match(faultOf('/app/plain', { '/app/plain': '#!/bin/sh\n' }), /^permission: .*mode 0644/)
  assert.match(faultOf('/app', { '/app/x': '' }), /^directory: /)
  assert.match(faultOf('/run', { '/run': '#!/bin/sh\r\ntrue\r\n' }), /^line-ends: .*"\/bin\/sh\\r"/)
  assert.match(faultOf('/run', { '/run': '#!/usr/bin/env sh\r\n' }), /^line-ends: .*"sh\\r"/)
  assert.match(faultOf('/run', { '/run': 'echo hello\n' }), /^format: .*add one/)
  assert.match(faultOf('/run', { '/run': '\ufeff#!/bin/sh\n' }), /^format: .*byte order mark/)
  assert.match(faultOf('/run', { '/run': '' }), /^format: .*empty/)
})

test('commandFault() names the missing interpreter, loader or architecture', () => {
  assert.match(
    faultOf('/run', { '/run': '#!/bin/bash\n' }),
    /^interpreter: .*\/bin\/bash .*not in the container/,
  )
  assert.match(
    faultOf('/run', { '/run': '#!/usr/bin/env python3\n', '/usr/bin/env': elf(amd64) }),
    /^interpreter: .*python3/,
  )
  assert.match(
    faultOf('/x', { '/x': elf(amd64, '/lib64/ld-linux-x86-64.so.2') }),
    /^interpreter: .*loader \/lib64\/ld-linux-x86-64.so.2 \(glibc\)/,
  )
  assert.match(faultOf('/x', { '/x': elf(alien) }), /^architecture: .*machine 48879, and this host is amd64/)
  assert.match(faultOf('/run', { '/run': '#!/x\n', '/x': elf(alien) }), /^architecture: \/run wants .*\/x/)
})
