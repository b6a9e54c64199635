import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkMountFlag, parseMountFlag } from './mounts.ts'

const parse = (text: string) => parseMountFlag(text, (value) => value.replace('$T', '/var'))
const base = { type: 'bind', from: '', source: '', target: '', id: '', readonly: true, required: false }

test('parseMountFlag() reads every kind', () => {
  assert.deepEqual(parse('target=/x,src=a,from=b'), { ...base, target: '/x', source: 'a', from: 'b' })
  assert.deepEqual(parse('type=bind,dst=$T/x,rw'), { ...base, target: '/var/x', readonly: false })
  assert.deepEqual(parse('type=TMPFS,target=/t,size=1m'), {
    ...base,
    type: 'tmpfs',
    target: '/t',
    size: 1 << 20,
    readonly: false,
  })
  assert.deepEqual(parse('type=cache,id=a,target=/c,sharing=locked,mode=0700,uid=1,gid=2,ro=true'), {
    ...base,
    type: 'cache',
    id: 'a',
    target: '/c',
    sharing: 'locked',
    mode: 0o700,
    uid: 1,
    gid: 2,
  })
  assert.equal(parse('"target=/a,b"').target, '/a,b')
  assert.equal(parse('type=secret,id=k,required').required, true)
})

test("parseMountFlag() refuses in BuildKit's words", () => {
  const cases: Record<string, string> = {
    'type=bnd,target=/x': 'unsupported mount type "bnd" (did you mean bind?)',
    'target=/x,sharing=share': 'unsupported sharing value "share" (did you mean shared?)',
    'target=/x,sharing=locked': 'invalid cache sharing set for bind mount',
    'targe=/x': "unexpected key 'targe' in 'targe=/x' (did you mean target?)",
    target: "invalid field 'target' must be a key=value pair",
    'target=/x,required': "unexpected key 'required' for mount type 'bind'",
    'target=/x,size=1': "unexpected key 'size' for mount type 'bind'",
    'type=tmpfs,size=big,target=/x': 'invalid value for size: big',
    'target=/x,ro=maybe': 'invalid value for ro: maybe',
    'target=/x,mode=755': 'mode not allowed for "bind" type mounts',
    'type=cache,target=/x,uid=me': 'invalid value me for uid',
    'type=cache,target=/x,mode=9': 'invalid value 9 for mode',
    'type=secret': 'invalid secret mount. one of source, target required',
    'type=secret,id=a,source=b': "both source and id can't be set",
    'type=secret,id=a,from=b': 'secret mount should not have a from',
    'a"b': 'failed to parse csv mounts: parse error on line 1, column 2: bare " in non-quoted-field',
  }
  for (const [text, message] of Object.entries(cases)) assert.throws(() => parse(text), { message }, text)
  assert.throws(() => checkMountFlag('type=bind,from=$X,target=/x'), {
    message: "'from' doesn't support variable expansion, define alias stage instead",
  })
  checkMountFlag('type=bind,target=$X')
})
