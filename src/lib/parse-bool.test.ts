import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBool } from './parse-bool.ts'

test("parseBool() knows the words of Go's strconv.ParseBool and no others", () => {
  for (const word of ['1', 't', 'T', 'true', 'TRUE', 'True']) assert.equal(parseBool(word), true, word)
  for (const word of ['0', 'f', 'F', 'false', 'FALSE', 'False']) assert.equal(parseBool(word), false, word)
  for (const word of ['', 'yes', 'on', 'tRUE', ' true', '2', 'constructor'])
    assert.equal(parseBool(word), undefined, word)
})
