import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asMap, MethodSet, nilList, Template } from './go-template.ts'

const data = {
  Id: 'sha256:abc',
  Name: '/web',
  State: { Status: 'running', Pid: 42, Health: null },
  Config: {
    Env: ['A=1', 'B=2'],
    Labels: asMap({ b: '2', a: '1', 'com.x/y': 'z' }, { ofStrings: true }),
    Entrypoint: nilList(),
    Memory: 268_435_456,
  },
  Ports: asMap({ '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '90/tcp': nilList() }),
  Count: 0,
}

const render = (text: string, value: unknown = data) => Template.parse(text).execute(value)

test('templates render as in Go', () => {
  for (const [text, expected] of [
    ['plain', 'plain'],
    ['{{.Name}}', '/web'],
    ['{{ .State.Status }}/{{.State.Pid}}', 'running/42'],
    ['{{.Config.Env}}', '[A=1 B=2]'],
    ['{{.Config.Labels}}', 'map[a:1 b:2 com.x/y:z]'],
    ['{{.Config.Labels.a}}{{.Config.Labels.nope}}', '1<no value>'],
    ['{{index .Config.Labels "com.x/y"}}|{{index .Config.Labels "no"}}|', 'z||'],
    ['{{.Config.Memory}}', '268435456'],
    ['{{.Ports}}', 'map[80/tcp:[{0.0.0.0 8080}] 90/tcp:[]]'],
    ['{{(index (index .Ports "80/tcp") 0).HostPort}}', '8080'],
    [
      '{{range $p, $c := .Ports}}{{$p}}->{{range $c}}{{.HostPort}}{{else}}none{{end}} {{end}}',
      '80/tcp->8080 90/tcp->none ',
    ],
    ['{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}', 'A=1, B=2'],
    ['{{range .Config.Env}}{{if eq . "B=2"}}{{break}}{{end}}{{.}}{{end}}', 'A=1'],
    ['{{range .Config.Env}}{{if eq . "A=1"}}{{continue}}{{end}}{{.}}{{end}}', 'B=2'],
    ['{{if .Count}}yes{{else if eq .State.Status "running"}}run{{else}}no{{end}}', 'run'],
    ['{{with .State}}{{.Pid}} {{$.Name}}{{end}}', '42 /web'],
    ['{{with .Count}}x{{else}}none{{end}}', 'none'],
    ['{{if .State.Health}}x{{end}}', ''],
    ['{{json .Config.Env}}', '["A=1","B=2"]'],
    ['{{json .Config.Entrypoint}}{{.Config.Entrypoint}}', 'null[]'],
    ['{{.Name | upper | printf "%s-%d" }}', '/WEB-%!d(MISSING)'],
    ['{{printf "%-6s|%5d|%q|%v|%.2f" "ab" 42 "x" .Config.Env 1.5}}', 'ab    |   42|"x"|[A=1 B=2]|1.50'],
    ['{{join .Config.Env ","}} {{len .Config.Env}}', 'A=1,B=2 2'],
    ['{{index (split .Name "/") 1}} {{lower "AB"}} {{title "ab cd"}} {{upper "x"}}', 'web ab Ab Cd X'],
    ['{{$x := .Name}}{{$x}} {{$x = "n"}}{{$x}}', '/web n'],
    ['{{slice .Id 7}} {{truncate .Id 6}} {{pad "a" 1 2}}|', 'abc sha256  a  |'],
    ['{{and .Count .Nope}}{{or .Count "d"}}{{not .Count}}', '0dtrue'],
    ['{{eq .State.Status "exited" "running"}} {{ne 1 2}} {{lt 1 2}} {{ge 2 2}}', 'true true true true'],
    ['a {{- " b " -}} c', 'a b c'],
    ['{{/* note */}}x', 'x'],
    ['{{println "a" 1}}', 'a 1\n'],
    ['{{"a\\tb"}}{{`r\\aw`}}', 'a\tbr\\aw'],
    ['{{.}}', '{a b}'],
  ] as const)
    assert.equal(text === '{{.}}' ? render(text, { A: 'a', B: 'b' }) : render(text), expected, text)
})

test('templates may define others, and call them', () => {
  for (const [text, expected] of [
    ['{{define "T"}}<{{.}}>{{end}}{{template "T" .Name}}{{template "T" "x"}}', '</web><x>'],
    ['{{block "B" .Name}}[{{.}} {{$}}]{{end}}', '[/web /web]'],
    ['{{range .Config.Env}}{{template "E" .}}{{end}}{{define "E"}}{{len .}} {{end}}', '3 3 '],
    ['{{define "T"}}x{{end}}', ''],
    ['{{print 1 2 "a" "b" 3}} {{js "it\'s <b>"}}', `1 2ab3 it\\'s \\u003Cb\\u003E`],
  ] as const)
    assert.equal(render(text), expected, text)
  for (const [text, message] of [
    [
      '{{template "none"}}',
      'template: :1:11: executing "" at <{{template "none"}}>: template "none" not defined',
    ],
    ['{{define "x"}}', 'template: :1: unexpected EOF'],
    ['{{template x}}', 'template: :1: unexpected "x" in template clause'],
  ] as const)
    assert.throws(() => render(text), { message }, text)
  assert.throws(
    () => render('{{define "T"}}{{template "T"}}{{end}}{{template "T"}}'),
    /maximum template depth/,
  )
})

test("bad templates and wrong fields are reported in Go's words", () => {
  for (const [text, message] of [
    ['{{.Foo', 'template: :1: unclosed action'],
    ['{{foo .}}', 'template: :1: function "foo" not defined'],
    ['{{if .Name}}', 'template: :1: unexpected EOF'],
    ['{{end}}', 'template: :1: unexpected {{end}}'],
    ['{{$x}}', 'template: :1: undefined variable "$x"'],
    ['{{}}', 'template: :1: missing value for command'],
    ['{{.Nope}}', 'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"'],
    ['x\n{{.State.Nope}}', 'template: :2:8: executing "" at <.State.Nope>: map has no entry for key "Nope"'],
    [
      '{{.Name.X}}',
      'template: :1:7: executing "" at <.Name.X>: can\'t evaluate field X in type interface {}',
    ],
    [
      '{{index .Config.Env 9}}',
      'template: :1:2: executing "" at <index .Config.Env 9>: error calling index: index out of range: 9',
    ],
    [
      '{{lt 1 "a"}}',
      'template: :1:2: executing "" at <lt 1 "a">: error calling lt: incompatible types for comparison',
    ],
  ] as const)
    assert.throws(() => render(text), { message }, text)
})

test('a MethodSet computes what is asked for and nothing else', () => {
  const row = new MethodSet({
    ID: () => 'abc',
    Size: () => assert.fail('not asked for'),
    Label: (name: string) => `<${name}>`,
  })
  assert.equal(render('{{.ID}} {{.Label "x"}}', row), 'abc <x>')
  assert.equal(
    render('{{json .}}', new MethodSet({ B: () => 'b', A: () => 'a', L: (x: string) => x })),
    '{"A":"a","B":"b"}',
  )
  assert.throws(() => Template.parse('{{.Nope}}').execute(row, { typeName: '*formatter.ContainerContext' }), {
    message: `template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type *formatter.ContainerContext`,
  })
  assert.deepEqual(
    [...Template.parse('{{.ID}}{{if .Size}}{{.State.X}}{{end}}').fields()],
    ['ID', 'Size', 'State'],
  )
})
