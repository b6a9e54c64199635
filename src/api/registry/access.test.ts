import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import bcrypt from 'bcrypt'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { ReloadedFile } from '../../lib/reloaded-file.ts'
import { openAccess, readOnly, Refusal, type Action, type Need } from './access.ts'
import { BasicAccess } from './basic-access.ts'
import { parseHtpasswd, Passwords } from './htpasswd.ts'
import { parseRights, usersOnly } from './rights.ts'

const op = background(silentLogger)
const home = mkdtempSync(join(tmpdir(), 'gantry-access-'))
after(() => rmSync(home, { recursive: true }))
/** As htpasswd writes it; cheap to check. */
const hashOf = (password: string) => bcrypt.hashSync(password, 4).replace(/^\$2b/, '$2y')

const asking = (authorization?: string): IncomingMessage =>
  // What the code under test looks at.
  ({
    headers: { host: 'registry.test:5000', ...(authorization !== undefined && { authorization }) },
  }) as never
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const to = (name: string, ...actions: Action[]): Need => ({ kind: 'repository', name, actions })

describe('htpasswd', () => {
  test('users, comments and empty lines are read', () => {
    const hash = hashOf('secret')
    assert.deepEqual([...parseHtpasswd(`# users\n\nann:${hash}\r\n`)], [['ann', hash.replace('$2y', '$2b')]])
  })

  test('other hashes than bcrypt are refused by line and user, and no hash is in the message', () => {
    for (const hash of ['$apr1$abc$def', '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'plain'])
      assert.throws(() => parseHtpasswd(`a:${hashOf('x')}\nbob:${hash}\n`), {
        kind: 'invalid',
        message: 'line 2: the password of user "bob" is not hashed with bcrypt: use htpasswd -B',
      })
    assert.throws(() => parseHtpasswd('nobody'), { message: 'line 1: want user:hash' })
  })

  test('a changed password counts at once, also for those who were known', async () => {
    const path = join(home, 'changing')
    writeFileSync(path, `ann:${hashOf('old')}\n`)
    const file = await ReloadedFile.open(path, parseHtpasswd)
    const passwords = new Passwords(file)
    assert.equal(await passwords.check(op, 'ann', 'old'), true)
    assert.equal(await passwords.check(op, 'ann', 'new'), false)
    assert.equal(await passwords.check(op, 'bob', 'old'), false)
    writeFileSync(path, `bob:${hashOf('his')}\nann:${hashOf('new')}\n`)
    await file.reload(op)
    assert.equal(await passwords.check(op, 'ann', 'old'), false)
    assert.equal(await passwords.check(op, 'ann', 'new'), true)
    // Half written: what was read last counts.
    writeFileSync(path, 'ann')
    await file.reload(op)
    assert.equal(await passwords.check(op, 'bob', 'his'), true)
  })

  test('more logins at the same time than can be checked are put off', async () => {
    const path = join(home, 'many')
    writeFileSync(path, `ann:${hashOf('x')}\n`)
    const passwords = new Passwords(await ReloadedFile.open(path, parseHtpasswd))
    const outcomes = await Promise.allSettled(
      Array.from({ length: 80 }, (_, index) => passwords.check(op, 'ann', `wrong${index}`)),
    )
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' && outcome.reason instanceof Refusal ? outcome.reason : [],
    )
    assert.equal(refused.length, 16)
    const [first] = refused
    assert.deepEqual(
      [first?.status, first?.code, first?.headers],
      [429, 'TOOMANYREQUESTS', { 'Retry-After': '1' }],
    )
    assert.equal(await passwords.check(op, 'ann', 'x'), true)
  })
})

describe('rights', () => {
  const rights = parseRights(
    JSON.stringify({
      groups: { team: ['ann', 'bob'] },
      rules: [
        { anonymous: true, repositories: ['public/**'], allow: ['pull'] },
        { users: ['*'], repositories: ['home/${user}/**', 'shared/*'], allow: ['pull', 'push', 'delete'] },
        { groups: ['team'], repositories: ['team/**'], allow: ['pull', 'push'] },
        { users: ['ann'], repositories: ['team/app'], allow: ['delete'] },
      ],
    }),
  )
  const cases: [user: string | undefined, repository: string, action: Action, allowed: boolean][] = [
    [undefined, 'public/base', 'pull', true],
    ['ann', 'public/base', 'pull', true],
    [undefined, 'public/base', 'push', false],
    [undefined, 'public', 'pull', false],
    [undefined, 'team/app', 'pull', false],
    ['carl', 'team/app', 'pull', false],
    ['bob', 'team/deep/er', 'push', true],
    ['bob', 'team/app', 'delete', false],
    ['ann', 'team/app', 'delete', true],
    ['ann', 'home/ann/x', 'push', true],
    ['ann', 'home/bob/x', 'push', false],
    ['**', 'home/bob/x', 'pull', false],
    [undefined, 'home/undefined/x', 'pull', false],
    ['carl', 'shared/x', 'push', true],
    ['carl', 'shared/x/y', 'push', false],
  ]
  for (const [user, repository, action, allowed] of cases)
    test(`${user ?? 'nobody'} ${allowed ? 'may' : 'may not'} ${action} ${repository}`, () =>
      assert.equal(rights.allows(user, repository, action), allowed))

  test('a file that is wrong says where', () => {
    const refused = (value: unknown, message: string) =>
      assert.throws(() => parseRights(JSON.stringify(value)), { kind: 'invalid', message })
    const rule = { users: ['ann'], repositories: ['a/**'], allow: ['pull'] }
    refused({ rules: [{ ...rule, groups: ['gone'] }] }, 'rules.0: there is no group "gone"')
    refused({ rules: [{ ...rule, groups: ['constructor'] }] }, 'rules.0: there is no group "constructor"')
    refused({ rules: [rule, { ...rule, repositories: ['A b'] }] }, 'rules.1: no repository matches "A b"')
    refused(
      { rules: [{ repositories: ['a'], allow: ['pull'] }] },
      'rules.0: want users, groups or anonymous: it is for nobody',
    )
    assert.throws(
      () => parseRights('{"rules": [{"users": ["a"], "repositories": ["a"], "allow": ["read"]}]}'),
      {
        message: /^rules\.0\.allow\.0: /,
      },
    )
    assert.throws(() => parseRights('{"rules": [], "rule": []}'), { message: /"rule"/ })
  })
})

describe('basic access', async () => {
  const path = join(home, 'users')
  writeFileSync(path, `ann:${hashOf('secret')}\nbob:${hashOf('colon:ed')}\n`)
  const passwords = new Passwords(await ReloadedFile.open(path, parseHtpasswd))
  const rights = parseRights(
    '{"rules": [{"anonymous": true, "repositories": ["public/*"], "allow": ["pull"]}, {"users": ["ann"], "repositories": ["**"], "allow": ["pull", "push"]}]}',
  )
  const access = new BasicAccess({ passwords, rights: () => Promise.resolve(rights), realm: 'here' })
  const refused = (request: IncomingMessage, need: Need, code: Refusal['code'], message: string) =>
    assert.rejects(access.authorize(op, request, need), { code, message })

  test('a login is wanted at /v2/ even where all may pull, so that clients learn the scheme', async () => {
    await assert.rejects(access.authorize(op, asking(), { kind: 'login' }), {
      code: 'UNAUTHORIZED',
      headers: { 'WWW-Authenticate': 'Basic realm="here"' },
    })
    assert.equal((await access.authorize(op, asking(), to('public/a', 'pull'))).user, undefined)
    // podman's way to say that it has none
    assert.equal((await access.authorize(op, asking(basic('', '')), to('public/a', 'pull'))).user, undefined)
    const ann = await access.authorize(op, asking(basic('ann', 'secret')), { kind: 'login' })
    assert.equal(ann.user, 'ann')
    const lower = asking(basic('bob', 'colon:ed').replace('Basic', 'bASIC'))
    assert.equal((await access.authorize(op, lower, { kind: 'login' })).user, 'bob')
  })

  test('a wrong password is refused, even for what everybody may', async () => {
    for (const need of [{ kind: 'login' }, { kind: 'catalog' }, to('public/a', 'pull')] satisfies Need[])
      await refused(asking(basic('ann', 'wrong')), need, 'UNAUTHORIZED', 'wrong user name or password')
  })

  test('what is not allowed is asked for a login first, and then denied', async () => {
    await refused(asking(), to('team/a', 'pull'), 'UNAUTHORIZED', 'authentication required')
    await refused(asking(), { kind: 'catalog' }, 'UNAUTHORIZED', 'authentication required')
    await refused(
      asking(basic('bob', 'colon:ed')),
      to('team/a', 'pull', 'push'),
      'DENIED',
      'bob may not pull and push in team/a',
    )
    const bob = await access.authorize(op, asking(basic('bob', 'colon:ed')), { kind: 'catalog' })
    assert.deepEqual([bob.sees('public/a'), bob.sees('team/a')], [true, false])
    const ann = await access.authorize(op, asking(basic('ann', 'secret')), to('team/a', 'pull', 'push'))
    assert.deepEqual([ann.allows('other', 'pull'), ann.allows('other', 'delete')], [true, false])
  })
})

test('without rules, users may do all and others nothing', () => {
  assert.deepEqual(
    [usersOnly.allows('ann', 'x', 'delete'), usersOnly.allows(undefined, 'x', 'pull')],
    [true, false],
  )
})

test('a read-only registry is pulled from, and no more', async () => {
  const access = readOnly(openAccess)
  await access.authorize(op, asking(), to('a', 'pull'))
  await access.authorize(op, asking(), { kind: 'catalog' })
  for (const action of ['push', 'delete'] as const)
    await assert.rejects(async () => access.authorize(op, asking(), to('a', action)), {
      code: 'UNSUPPORTED',
      status: 405,
    })
})
