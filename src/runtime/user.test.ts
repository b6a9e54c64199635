import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookUp, parseGroup, parsePasswd } from './user.ts'

const files = {
  passwd: () =>
    parsePasswd(
      'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:100::/home/bob:/bin/sh\n# no\n7:x:9:9::/seven:\nbroken\n',
    ),
  group: () => parseGroup('root:x:0:\nusers:x:100:\nwheel:x:10:root,bob\ndocker:x:999:bob\n'),
}
const resolve = (spec: string, add: string[] = []) => lookUp(spec, add, files)

test('nobody named is root', () => {
  assert.deepEqual(resolve(''), { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root', name: 'root' })
})

test('a name brings its group, supplementary groups and home', () => {
  assert.deepEqual(resolve('bob'), {
    uid: 1000,
    gid: 100,
    additionalGids: [100, 10, 999],
    home: '/home/bob',
    name: 'bob',
  })
})

test("a named group replaces the user's own ones", () => {
  assert.deepEqual(resolve('bob:wheel').additionalGids, [10])
  assert.equal(resolve('bob:1234').gid, 1234)
  assert.equal(resolve(':wheel').gid, 10)
})

test('a number needs no entry, and a name wins over a number', () => {
  assert.deepEqual(resolve('4242'), { uid: 4242, gid: 0, additionalGids: [0], home: '/', name: '4242' })
  assert.equal(resolve('1000').home, '/home/bob')
  assert.equal(resolve('7').uid, 9)
  assert.deepEqual(resolve('0', ['docker', '55']).additionalGids, [0, 10, 999, 55])
})

test("unknown names and impossible numbers are refused in docker's words", () => {
  assert.throws(() => resolve('alice'), {
    kind: 'invalid',
    message: 'unable to find user alice: no matching entries in passwd file',
  })
  assert.throws(
    () => resolve('bob:nope'),
    /^EngineError: unable to find group nope: no matching entries in group file/,
  )
  assert.throws(
    () => resolve('bob', ['more']),
    /^EngineError: Unable to find group more: no matching entries in group file/,
  )
  assert.throws(() => resolve('4294967296'), /range/)
  assert.throws(() => resolve('-1'), /range/)
})
