import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDefinitions } from './bake-file.ts'
import { parseJsonBake } from './bake-json.ts'
import { parseOverride } from './bake-overrides.ts'
import { planBake, type BakePlan } from './bake-plan.ts'
import { parseHcl } from './hcl-parser.ts'

interface Call {
  names?: string[]
  set?: string[]
  env?: NodeJS.ProcessEnv
  json?: string
}

function plan(text: string, o: Call = {}): BakePlan {
  const files = [
    parseHcl(text, 'bake.hcl'),
    ...(o.json === undefined ? [] : [parseJsonBake(o.json, 'x.json')]),
  ]
  const env = o.env ?? {}
  const definitions = readDefinitions(files, {
    env,
    builtins: new Map([['BAKE_LOCAL_PLATFORM', 'linux/amd64']]),
  })
  const overrides = (o.set ?? []).map(parseOverride)
  return planBake(definitions, { names: o.names ?? [], overrides, env })
}

/** Values of `args` of a target that has nothing else. */
function args(body: string, before = '', env: NodeJS.ProcessEnv = {}): Record<string, string | null> {
  return {
    ...plan(`${before}\ntarget "default" {\n args = {\n${body}\n}\n}`, { env }).targets.get('default')?.args,
  }
}

test('operators, conditions, for and splat give what HCL gives', () => {
  assert.deepEqual(
    args(
      `a = (1 + 2) * 3 - 4 % 3
       b = 10 / 4
       c = L[1] == "y" && !false ? "yes" : "no"
       d = join("-", [for i, v in L : "\${i}\${v}" if v != "x"])
       e = { for k, v in { a = "1" } : upper(k) => v }.A
       f = join(",", O[*].n)
       g = O.1["n"]
       h = try(O[5].n, "none")
       i = -1 < 0
       j = join(",", concat(["a"], L...)...)`.replace(/\n\s+j = .*/, ''),
      'L = ["x", "y"]\nO = [{ n = "p" }, { n = "q" }]',
    ),
    { a: '8', b: '2.5', c: 'yes', d: '1y', e: '1', f: 'p,q', g: 'q', h: 'none', i: 'true' },
  )
})

test('templates: escapes, directives, here-documents', () => {
  assert.deepEqual(
    args(
      [
        'a = "$${x} %%{y} \\u00e9 \\"q\\""',
        'b = "%{ if N > 2 }big%{ else }small%{ endif }"',
        'c = <<EOT',
        'one',
        '  two ${N}',
        'EOT',
        'd = <<-EOT',
        '  one',
        '    %{ for i in [1, 2] ~}',
        '    i=${i}',
        '    %{ endfor ~}',
        '  EOT',
        'e = "x ${~ N ~} y"',
      ].join('\n'),
      'N = 3',
    ),
    // d: as buildx 0.13 has it.
    {
      a: '${x} %{y} é "q"',
      b: 'big',
      c: 'one\n  two 3\n',
      d: 'one\n      i=1\n      i=2\n  ',
      e: 'x3y',
    },
  )
})

test('functions: of the library, and of the file', () => {
  assert.deepEqual(
    args(
      `a = format("%03d|%s|%5.2f|%q", 7, "s", 2.5, "x")
       b = replace(upper("a.b"), ".", "-")
       c = jsonencode({ a = [1, true, null] })
       d = join(",", compact(tags("app", "")))
       e = substr("hello", 1, 3)
       f = regex_replace("a.b", "\\\\.", "_")
       g = sha1("x")
       h = lookup({ a = "b" }, "c", "d")`,
      'function "tags" {\n params = [name, extra]\n result = ["${name}:1", notequal("", extra) ? extra : ""]\n}',
    ),
    {
      a: '007|s| 2.50|"x"',
      b: 'A-B',
      c: '{"a":[1,true,null]}',
      d: 'app:1',
      e: 'ell',
      f: 'a_b',
      g: '11f6ad8ec52a2984abaafd7c3b516503785c2072',
      h: 'd',
    },
  )
})

test('variables: defaults, the environment in their type, checks', () => {
  const variables =
    'variable "T" { default = "a" }\nvariable "N" { default = 1 }\nvariable "B" { default = false }\nvariable "E" {}'
  const body = 'v = "${T}-${N + 1}-${B ? "on" : "off"}-${E}"'
  assert.deepEqual(args(body, variables), { v: 'a-2-off-' })
  assert.deepEqual(args(body, variables, { T: 'b', N: '4', B: 'true', E: 'e' }), { v: 'b-5-on-e' })
  assert.throws(() => args(body, variables, { N: 'x' }), /variable "N": "x" is a string: a number is needed/)
  const checked =
    'variable "T" {\n default = "a"\n validation {\n condition = T != "a"\n error_message = "not a"\n }\n}'
  assert.throws(() => args('', checked), /^Error: not a$/)
})

const family = `
group "default" { targets = ["app", "more"] }
group "more" { targets = ["db"] }
target "base" {
  args = { A = "1", B = "1" }
  tags = ["base"]
  cache-from = ["x"]
}
target "app" {
  inherits = ["base"]
  args = { B = "2" }
  cache-from = ["y"]
  contexts = { src = "target:lib" }
}
target "lib" {}
target "db" {
  tags = [target.base.tags[0]]
  output = [{ type = "image", name = "a,b" }]
}`

test('groups, inheritance and contexts that are targets', () => {
  const all = plan(family)
  assert.deepEqual([...all.targets.keys()], ['app', 'lib', 'db'])
  assert.deepEqual(all.groups, { default: ['app', 'more'], more: ['db'] })
  assert.deepEqual(all.targets.get('app'), {
    context: '.',
    contexts: { src: 'target:lib' },
    dockerfile: 'Dockerfile',
    args: { A: '1', B: '2' },
    tags: ['base'],
    'cache-from': ['x', 'y'],
  })
  assert.deepEqual(all.targets.get('db')?.output, ['type=image,"name=a,b"'])
  assert.deepEqual(plan(family, { names: ['db', 'app'] }).groups, { default: ['db', 'app'] })
})

test('--set reaches targets by pattern, and what they inherit', () => {
  const set = [
    '*.platform=linux/arm64',
    'app.args.C=3',
    'base.args.A=9',
    'app.tags=p',
    'app.tags=q',
    'app.pull=true',
    'app.cache-from+=z',
  ]
  const app = plan(family, { set }).targets.get('app')
  assert.deepEqual(app?.args, { A: '9', B: '2', C: '3' })
  assert.deepEqual(app.tags, ['p', 'q'])
  assert.deepEqual(app.platforms, ['linux/arm64'])
  assert.deepEqual(app['cache-from'], ['x', 'y', 'z'])
  assert.equal(app.pull, true)
  assert.throws(() => plan(family, { set: ['app.nope=1'] }), /unknown key: nope/)
  assert.throws(() => plan(family, { set: ['app'] }), /invalid override app/)
})

test('a matrix gives a target for each combination, and a group', () => {
  const { targets, groups } = plan(
    `target "m" {
    name = "m-\${item.n}-\${replace(v, ".", "-")}"
    matrix = { v = ["1.0", "2.0"], item = [{ n = "p" }, { n = "q" }] }
    args = { V = v }
  }`,
    { names: ['m'] },
  )
  assert.deepEqual(groups['m'], ['m-p-1-0', 'm-q-1-0', 'm-p-2-0', 'm-q-2-0'])
  assert.equal(targets.get('m-q-2-0')?.args?.['V'], '2.0')
})

test('JSON files say the same, and lie over what comes before', () => {
  const json = JSON.stringify({
    variable: { T: { default: '1' } },
    target: { db: { tags: ['db:${T}'], args: { n: '${T == "1" ? "one" : "two"}' } } },
  })
  const db = plan(family, { json, names: ['db'] }).targets.get('db')
  assert.deepEqual(db?.tags, ['db:1'])
  assert.deepEqual(db.args, { n: 'one' })
})

test('mistakes are named with their place', () => {
  const cases: [string, RegExp][] = [
    ['a = ', /bake\.hcl:1,5: expected a value/],
    ['target "x" {', /bake\.hcl:1,13: a block without its closing "}"/],
    ['a = "x', /a string without an end/],
    ['a = <<EOT\nx', /<<EOT has no end/],
    ['target "default" { args = { a = foo } }', /variable "foo": it does not exist/],
    ['target "default" { args = { a = nofn(1) } }', /there is no function "nofn"/],
    ['A = B\nB = A\ntarget "default" { tags = [A] }', /variable cycle not allowed/],
    ['target "default" { inherits = ["b"] }\ntarget "b" { inherits = ["default"] }', /infinite loop/],
    ['target "default" { nope = 1 }', /there is no attribute "nope"/],
    ['target "a/b" {}', /invalid name "a\/b"/],
    ['group "default" { targets = ["nope"] }', /failed to find target nope/],
    [
      'function "f" {\n params = [x]\n result = f(x)\n}\ntarget "default" { args = { a = f(1) } }',
      /without an end/,
    ],
    ['target "default" { args = { a = range(100000) } }', /more than 1024/],
  ]
  for (const [text, message] of cases) assert.throws(() => plan(text), message, text)
})
