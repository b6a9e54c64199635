import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EngineError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { parseProgram } from '../dockerfile/stages.ts'
import { conversionFault } from './conversion.ts'

async function fault(text: string, target?: string): Promise<string | undefined> {
  const found = await conversionFault(background(silentLogger), parseProgram('Dockerfile', text), {
    buildArgs: {},
    ...(target !== undefined && { target }),
    findImage: (ref) => {
      throw new EngineError('not-found', `No such image: ${ref}`)
    },
  })
  return found && `${found.range.start.line} ${found.message}`
}

test('faults that show only when a build begins are found without one', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['FROM alpine\nEXPOSE 99999\n', /^2 invalid containerPort: 99999/],
    ['FROM alpine\nCOPY --chmod=999 a /\n', /^2 invalid chmod parameter: '999'/],
    ['FROM alpine\nSTOPSIGNAL NOPE\n', /^2 invalid signal: NOPE/],
    ['FROM $X\n', /^1 base name \(\$X\) should not be blank/],
    ['FROM alpine:\n', /^1 failed to parse stage name "alpine:": invalid reference format/],
    ['FROM alpine\nCOPY --from=later a /\nFROM alpine AS later\n', /^2 .*later/],
    ['FROM alpine AS a\nVOLUME $V\nFROM alpine\n', /^2 VOLUME specified can not be an empty string/],
  ]
  for (const [text, expected] of cases) assert.match((await fault(text)) ?? '', expected, text)
  assert.match(
    (await fault('FROM alpine AS build\n', 'biuld')) ?? '',
    /target stage "biuld" could not be found/,
  )
})

test('what could be built has no fault, whether its base images are here or not', async () => {
  const text =
    'ARG V=1\nFROM nowhere.example/x:$V AS a\nRUN --mount=type=secret,id=s make\nFROM a\nCOPY --from=a /x /y\nADD https://example.com/f /f\nCOPY --from=other/image:2 /x /z\nCMD ["a"]\n'
  assert.equal(await fault(text), undefined)
})
