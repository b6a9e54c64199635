import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bool, FlagError, HelpRequest, int, list, parseFlags, string } from './flags.ts'

const flags = {
  all: bool('', { short: 'a' }),
  proxy: bool('', { initial: true }),
  interactive: bool('', { short: 'i' }),
  tty: bool('', { short: 't' }),
  env: list('', { short: 'e' }),
  last: int('', { short: 'n', initial: -1 }),
  name: string(''),
}
const parse = (...argv: string[]) => parseFlags(flags, argv, { interspersed: true })

test('flags may stand anywhere, in every spelling', () => {
  const { values, rest, given } = parse(
    'x',
    '-it',
    '-e',
    'A=1',
    '-eB=2',
    '--env=C',
    '-n=3',
    '--name',
    'web',
    'y',
  )
  assert.deepEqual(rest, ['x', 'y'])
  assert.equal(values.interactive && values.tty, true)
  assert.deepEqual(values.env, ['A=1', 'B=2', 'C'])
  assert.equal(values.last, 3)
  assert.equal(values.name, 'web')
  assert.equal(given.has('all'), false)
})

test('booleans take a value only with an equals sign', () => {
  assert.equal(parse('--proxy=false').values.proxy, false)
  assert.deepEqual(parse('--all', 'false').rest, ['false'])
  assert.equal(parse('-a=0').values.all, false)
})

test('a value may look like a flag, and -- ends the flags', () => {
  assert.equal(parse('--name', '--all').values.name, '--all')
  assert.deepEqual(parse('--', '-a').rest, ['-a'])
  assert.deepEqual(parse('-').rest, ['-'])
})

test('a command line of somebody else is left alone', () => {
  const { values, rest } = parseFlags(flags, ['-i', 'image', 'ls', '-a', '--', 'x'], { interspersed: false })
  assert.equal(values.all, false)
  assert.deepEqual(rest, ['image', 'ls', '-a', '--', 'x'])
})

test("refusals are in docker's words", () => {
  for (const [argv, message] of [
    [['--bogus'], 'unknown flag: --bogus'],
    [['-xyz'], "unknown shorthand flag: 'x' in -xyz"],
    [['-itx'], "unknown shorthand flag: 'x' in -x"],
    [['--name'], 'flag needs an argument: --name'],
    [['-e'], "flag needs an argument: 'e' in -e"],
    [
      ['-n', 'x'],
      'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax',
    ],
    [
      ['--all=maybe'],
      'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [['--=x'], 'bad flag syntax: --=x'],
  ] as const)
    assert.throws(
      () => parse(...argv),
      (error: Error) => error instanceof FlagError && error.message === message,
    )
  assert.throws(() => parse('--help'), HelpRequest)
})
