import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WarningEvent } from '../../wire/build.ts'
import { warningsText } from './warnings.ts'

const casing: WarningEvent = {
  type: 'warning',
  rule: 'JSONArgsRecommended',
  message: 'JSON arguments recommended',
  description: 'About signals',
  url: 'https://x/',
  better: 'CMD ["a"]',
  startLine: 3,
}
const plain = { debug: false, colour: false }

test('warnings are summed up in docker’s words', () => {
  assert.equal(warningsText([], plain), '')
  assert.equal(
    warningsText([casing], plain),
    '\n 1 warning found (use gantry --debug to expand):\n - JSONArgsRecommended: JSON arguments recommended (line 3)\n',
  )
  const unnamed: WarningEvent = { type: 'warning', message: 'One or more build-args [X] were not consumed' }
  assert.match(
    warningsText([casing, unnamed], plain),
    /^\n 2 warnings found .*\n - .*\n - One or more build-args/,
  )
})

test('with --debug each has its reason, a better version and a page', () => {
  assert.equal(
    warningsText([casing], { debug: true, colour: true }),
    '\n \x1b[33m1 warning found:\x1b[0m\n - JSONArgsRecommended: JSON arguments recommended (line 3)\n   About signals\n   Better:\n      CMD ["a"]\n   More info: https://x/\n\n',
  )
})
