import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StepFailure } from '../exec/step-failure.ts'
import type { RunStep } from '../graph/works.ts'
import { hintsFor } from './hints.ts'

const step = (more: Partial<RunStep> = {}): RunStep => ({
  args: ['/bin/sh', '-c', 'x'],
  env: ['PATH=/bin'],
  proxyEnv: [],
  cwd: '/',
  user: '',
  network: 'bridge',
  onBase: true,
  mounts: [],
  ...more,
})
const hints = (code: number, output: string, o: { step?: Partial<RunStep>; memory?: number } = {}) =>
  hintsFor(new StepFailure({ step: step(o.step), code, output, memory: o.memory })).join('\n')

test('commands that are not found are named, in the words of each shell', () => {
  for (const text of [
    '/bin/sh: nosuch: not found\n',
    '/bin/sh: 1: nosuch: not found\n',
    'bash: line 1: nosuch: command not found\n',
    '/bin/bash: nosuch: command not found\n',
  ])
    assert.match(hints(127, `before\n${text}`), /^"nosuch" is not in the image: .*\(PATH=\/bin\)\.$/, text)
  assert.match(hints(127, ''), /^Exit code 127 says that a command was not found\.$/)
  assert.match(hints(126, ''), /executable bit/)
})

test('signals are said in words, and memory by its limit', () => {
  assert.match(hints(137, ''), /killed \(SIGKILL\): most likely this host ran out of memory/)
  assert.match(hints(137, '', { memory: 64 << 20 }), /its limit of 64 MiB \(--memory\)/)
  assert.match(hints(139, ''), /ended by SIGSEGV: it used memory/)
  assert.match(hints(130, ''), /ended by SIGINT\.$/)
})

test('what programs complain of has an advice', () => {
  assert.match(hints(100, 'E: Unable to locate package curl'), /apt-get update/)
  assert.match(hints(1, 'write: No space left on device'), /disk is full/)
  assert.match(hints(1, 'curl: (6) Could not resolve host: x'), /check the network/)
  assert.match(hints(1, 'wget: bad address', { step: { network: 'none' } }), /--network=none/)
  assert.match(hints(1, 'mkdir: Permission denied', { step: { user: 'app' } }), /runs as user app/)
  assert.equal(hints(1, 'mkdir: Permission denied'), '')
  assert.match(hints(127, "env: 'python3\\r': No such file"), /Windows line ends/)
  assert.equal(hints(1, 'any other failure'), '')
})

test('a command that cannot be run at all', () => {
  const failed = (reason: string, args: string[]) =>
    hintsFor(new StepFailure({ step: step({ args }), reason, cause: undefined })).join('\n')
  const missing = 'exec: "/bin/sh": stat /bin/sh: no such file or directory'
  assert.match(failed(missing, ['/bin/sh', '-c', 'x']), /The image has no \/bin\/sh: use the exec form/)
  assert.match(failed('exec: "/app": permission denied', ['/app']), /\/app .* executable bit/)
  assert.match(failed('exec format error', ['/app']), /another architecture/)
})
