import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandHelp, groupHelp, rootHelp } from './help.ts'
import { entries, findCommand, groups } from './table.ts'

test('every command can be found by each of its names, and no two share one', () => {
  const seen = new Set<string>()
  for (const entry of entries)
    for (const name of entry.names) {
      assert.equal(findCommand([...name.split(' '), 'x'])?.entry, entry, name)
      assert(!seen.has(name), name)
      seen.add(name)
    }
})

test('every command loads, and its help names its flags', async () => {
  for (const entry of entries) {
    if (!entry.load) {
      assert(entry.missing)
      continue
    }
    const command = await entry.load()
    const name = entry.names[0] ?? ''
    const help = commandHelp(name, entry, command)
    assert.ok(help.startsWith(`Usage:  gantry ${name}`))
    const shorts = new Set<string>()
    for (const [flag, definition] of Object.entries(command.flags)) {
      if (!definition.hidden) assert.ok(help.includes(`--${flag}`), `${name} --${flag}`)
      if (definition.short === undefined) continue
      assert(!shorts.has(definition.short), `${name} -${definition.short}`)
      shorts.add(definition.short)
    }
  }
})

test('group and root help list the commands that are there', () => {
  assert.match(rootHelp({}), /\n {2}run {9}Create and run a new container from an image\n/)
  for (const group of Object.keys(groups)) assert.match(groupHelp(group), /\nCommands:\n {2}\w/)
})
