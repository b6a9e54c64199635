import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BuildError } from './source.ts'
import { parseProgram } from './stages.ts'

const fault = (text: string): BuildError => {
  try {
    parseProgram('Dockerfile', text)
  } catch (error) {
    assert.ok(error instanceof BuildError)
    return error
  }
  return assert.fail('it was accepted')
}

test('parseProgram() joins continued lines, drops comments inside, and keeps places', () => {
  const { stages } = parseProgram(
    'Dockerfile',
    'FROM a\nRUN one \\\n  # gone\n  two \\  \n\n  three\nCMD ["x"]\n',
  )
  const [run, cmd] = stages[0]?.body ?? []
  assert.ok(run?.kind === 'run' && cmd?.kind === 'cmd')
  assert.deepEqual(run.command, { args: ['one   two   three'], form: 'shell' })
  assert.deepEqual([run.node.range.start.line, run.node.range.end.line], [2, 6])
  assert.deepEqual(cmd.command, { args: ['x'], form: 'exec' })
})

test('parseProgram() reads stages in any case, global ARGs and the escape directive', () => {
  const program = parseProgram('D', '# escape=`\nARG V=1\nFROM a:$V as Build\nRUN x `\n y\\\nfrom scratch\n')
  assert.equal(program.globals.length, 1)
  assert.deepEqual(
    program.stages.map((s) => s.name),
    ['build', undefined],
  )
  const run = program.stages[0]?.body[0]
  assert.ok(run?.kind === 'run')
  assert.deepEqual(run.command.args, ['x  y\\'])
})

test('parseProgram() reads Windows line ends and a byte order mark', () => {
  const { stages } = parseProgram('D', '\uFEFFFROM a\r\nENV A=1 \\\r\n  B="x y"\r\n')
  const environment = stages[0]?.body[0]
  assert.ok(environment?.kind === 'env')
  assert.deepEqual(
    environment.pairs.map((p) => [p.key.text, p.value.text]),
    [
      ['A', '1'],
      ['B', '"x y"'],
    ],
  )
})

test('parseProgram() reads here-documents', () => {
  const { stages } = parseProgram(
    'D',
    'FROM a\nRUN <<EOF\necho $x\nEOF\nCOPY <<-"A" <<B /x/\n\tone\n\tA\ntwo\nB\nCMD a << b\n',
  )
  const [run, copy, cmd] = stages[0]?.body ?? []
  assert.ok(run?.kind === 'run' && copy?.kind === 'copy' && cmd?.kind === 'cmd')
  assert.equal(run.heredocs[0]?.content, 'echo $x\n')
  assert.deepEqual(
    copy.heredocs.map((h) => [h.name, h.content, h.expand, h.chomp]),
    [
      ['A', '\tone\n', false, true],
      ['B', 'two\n', true, false],
    ],
  )
})

test('faults show file, line and a caret below the word that is meant', () => {
  const error = fault('FROM a\nRUNN echo\n')
  assert.equal(
    error.message,
    'dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)',
  )
  assert.match(error.excerpt, /^Dockerfile:2\n/)
  assert.match(error.excerpt, / 2 \| >>> RUNN echo\n\s+\|\s+\^{4}\n/)
})

test('a trailing comment is explained', () => {
  assert.match(
    fault('FROM a # base\n').message,
    /requires either one or three arguments.*comments need a line of their own/,
  )
  assert.match(fault('FROM a\nENV A=1 # c\n').message, /can't find = in "#".*comments need/)
})

test("bad instructions get docker's words", () => {
  const cases: Record<string, RegExp> = {
    '': /file with no instructions/,
    'RUN x': /no build stage in current context/,
    'FROM a AS 1x': /invalid name for build stage: "1x"/,
    'FROM a\nCOPY x': /COPY requires at least two arguments/,
    'FROM a\nCOPY --form=x a b': /unknown flag: --form/,
    'FROM a\nADD --parents a b': /unknown flag: --parents/,
    'FROM a\nCOPY --checksum=x a b': /unknown flag: --checksum/,
    'FROM a\nCOPY --exclude a b': /missing a value on flag: --exclude/,
    'FROM a\nCOPY --link=maybe a b': /expecting boolean value for flag --link, not: maybe/,
    'FROM a\nENV x': /ENV must have two arguments/,
    'FROM a\nHEALTHCHECK --interval=1x CMD y': /time: unknown unit/,
    'FROM a\nHEALTHCHECK FOO': /Unknown type "FOO" in HEALTHCHECK \(try CMD\)/,
    'FROM a\nCMD ["a", 1]': /arrays must be comprised of strings only/,
    'FROM a\nRUN <<EOF\nx': /unterminated heredoc/,
    'FROM a\nONBUILD ONBUILD RUN x': /Chaining ONBUILD/,
    'FROM a\nSHELL bash': /JSON form/,
    '# escape=x\nFROM a': /invalid escape token/,
  }
  for (const [text, message] of Object.entries(cases)) assert.match(fault(text).message, message, text)
})

test('a fault is one line, whatever it quotes', () => {
  const text = 'FROM x\nCOPY --chown=1 --x=\u001b[2J\u007f a b\nENV "a\rb c\n'
  assert.throws(
    () => parseProgram('Dockerfile', text),
    (error: Error) => !/\p{Cc}/u.test(error.message),
  )
  assert.throws(() => parseProgram('Dockerfile', 'FROM x\nFRO\u001b[2JM'), /FRO\\x1b\[2JM/)
  const { excerpt } = fault('FROM x\nFRO\u001b[2JM')
  assert.match(excerpt, />>> FRO\uFFFD\[2JM\n/)
})
