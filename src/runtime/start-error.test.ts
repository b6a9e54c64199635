import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startError } from './start-error.ts'

const create = (text: string, command = 'web') =>
  startError({ action: 'create', runtime: 'crun', text, command })

test("a command that is missing is 127 in docker's words, whoever says it", () => {
  for (const text of [
    'executable file `web` not found in $PATH: No such file or directory\n',
    'time="2026-11-21T11:40:44Z" level=error msg="runc create failed: unable to start container process: exec: \\"web\\": executable file not found in $PATH"\n',
  ]) {
    const error = create(text)
    assert.equal(error.exitCode, 127)
    assert.equal(error.kind, 'invalid')
    assert.equal(
      error.message,
      'failed to create task for container: failed to create shim task: OCI runtime create failed: crun create failed: unable to start container process: exec: "web": executable file not found in $PATH: unknown',
    )
  }
  assert.match(
    create('executable file `/x` not found in $PATH: No such file or directory', '/x').message,
    /no such file or directory/,
  )
})

test('a command that may not be run is 126', () => {
  for (const text of [
    'open executable: Permission denied',
    'open executable: Operation not permitted',
    'the path `/etc/passwd` exists but it is not executable: Operation not permitted',
    'the path `/etc` is not a regular file: Operation not permitted',
  ]) {
    assert.equal(create(text).exitCode, 126)
    assert.match(create(text).message, /permission denied/)
  }
})

test("any other failure is 125 and keeps the runtime's reason", () => {
  const error = create('mount `a` to `b`: Invalid argument')
  assert.equal(error.exitCode, 125)
  assert.equal(error.kind, 'internal')
  assert.match(error.message, /crun create failed: mount `a` to `b`: Invalid argument: unknown$/)
  assert.match(create('').message, /no reason/)
})

test('exec has a text of its own', () => {
  const error = startError({
    action: 'exec',
    runtime: 'crun',
    text: 'open executable: Permission denied',
    command: '/etc',
  })
  assert.equal(
    error.message,
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "/etc": permission denied: unknown',
  )
})
