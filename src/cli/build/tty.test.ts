import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuildEvent } from '../../wire/build.ts'
import { coloursOf } from './colours.ts'
import { LogWindow } from './log-window.ts'
import { cellsOf, clipCells } from './text-cells.ts'
import { VirtualTerminal } from './testing.ts'
import { TtyProgress } from './tty.ts'

const { colours } = coloursOf({})

function setUp(columns = 60, rows = 12, env: Record<string, string> = {}) {
  const terminal = new VirtualTerminal(columns, rows)
  let now = 0
  const progress = new TtyProgress(
    terminal.write,
    () => ({ columns: terminal.columns, rows: terminal.rows }),
    { colours: coloursOf(env).colours, frameTime: 1 << 30, now: () => now },
  )
  const at = (time: number, ...events: BuildEvent[]) => {
    now = time
    for (const event of events) progress.handle(event)
    progress.draw()
  }
  return { terminal, progress, at }
}
const vertex = (id: string, name: string, more: object = {}): BuildEvent => ({
  type: 'vertex',
  id,
  name,
  cached: false,
  ...more,
})
const log = (id: string, data: string): BuildEvent => ({ type: 'log', vertex: id, stream: 1, data })

test('a build on a terminal: parallel steps, their last lines, times; at the end all that happened', () => {
  const { terminal, progress, at } = setUp()
  at(
    0,
    vertex('1', '[internal] load build definition', { started: 0, completed: 20 }),
    vertex('2', '[a 1/1] RUN make', { started: 0 }),
    vertex('3', '[b 1/1] RUN test', { started: 0 }),
    vertex('4', 'exporting to image'),
  )
  at(1200, log('2', 'one\ntwo\n50%\r75%'), log('3', '\x1b[31mred\x1b[0m\n'))
  assert.equal(
    terminal.screen(),
    [
      '[+] Building 1.2s (1/4)',
      ' => [internal] load build definition                   0.0s',
      ' => [a 1/1] RUN make                                   1.2s',
      ' => => # one',
      ' => => # two',
      ' => => # 75%',
      ' => [b 1/1] RUN test                                   1.2s',
      ' => => # red',
      '',
    ].join('\n'),
  )
  at(
    2000,
    vertex('2', '[a 1/1] RUN make', { started: 0, completed: 2000, miss: ['src/app.ts (content)'] }),
    vertex('3', '[b 1/1] RUN test', { started: 0, completed: 1500, error: 'canceled' }),
    vertex('4', 'exporting to image', { started: 2000, completed: 2100 }),
    { type: 'status', vertex: '4', text: 'exporting layers', started: 2000, completed: 2080 },
  )
  progress.close()
  assert.equal(
    terminal.all(),
    [
      '[+] Building 2.0s (4/4) FINISHED',
      ' => [internal] load build definition                   0.0s',
      ' => [a 1/1] RUN make                                   2.0s',
      ' => => MISS src/app.ts (content)',
      ' => CANCELED [b 1/1] RUN test                          1.5s',
      ' => exporting to image                                 0.1s',
      ' => => exporting layers                                0.1s',
      '',
    ].join('\n'),
  )
  assert.ok(terminal.isCursorShown)
})

test('what does not fit on the screen gives way: first what is over, then output; nothing scrolls away twice', () => {
  const { terminal, progress, at } = setUp(40, 8)
  const over = Array.from({ length: 9 }, (_, i) => vertex(`${i}`, `step ${i}`, { started: 0, completed: 0 }))
  at(100, ...over, vertex('a', 'RUN a', { started: 0 }), vertex('b', 'RUN b', { started: 0 }))
  assert.equal(
    terminal.screen().replaceAll(/ +\d\.\ds/g, ''),
    '[+] Building (9/11)\n => step 5\n => step 6\n => step 7\n => step 8\n => RUN a\n => RUN b\n',
  )
  at(200, log('a', '1\n2\n3\n4\n5\n6\n7\n8\n'), log('b', 'x\ny\n'))
  assert.equal(
    terminal.screen().replaceAll(/ +\d\.\ds/g, ''),
    '[+] Building (9/11)\n => step 7\n => step 8\n => RUN a\n => RUN b\n => => # x\n => => # y\n',
  )
  assert.equal(terminal.all(), terminal.screen())
  progress.close()
  assert.equal(terminal.all().split('\n').length, 13)
})

test('each picture is one write, and one that is the same is none', () => {
  const { terminal, progress, at } = setUp()
  at(0, vertex('1', 'step', { started: 0 }))
  assert.equal(terminal.writes, 1)
  at(10)
  at(20)
  assert.equal(terminal.writes, 1)
  at(150)
  assert.equal(terminal.writes, 2)
  progress.close()
})

test('a terminal that becomes narrower or wider is drawn over all the same', () => {
  const { terminal, progress, at } = setUp(60, 12)
  at(0, vertex('1', 'step number one', { started: 0 }), vertex('2', 'step number two', { started: 0 }))
  const text = (columns: number) => {
    const row = (name: string) => ` => ${name}`.padEnd(columns - 6) + ' 0.0s'
    return ['[+] Building 0.0s (0/2)', row('step number one'), row('step number two'), ''].join('\n')
  }
  terminal.resize(30)
  at(10)
  assert.equal(terminal.all(), text(30))
  terminal.resize(80)
  at(20)
  assert.equal(terminal.all(), text(80))
  progress.close()
})

test('a narrow terminal, and names of any kind, never wrap', () => {
  const { terminal, progress, at } = setUp(24, 10)
  at(
    0,
    vertex('1', '[1/2] RUN 日本語のとても長い名前のコマンド', { started: 0 }),
    vertex('2', 'RUN a\n\x1b[2Jb\tc', { started: 0 }),
    log('2', `${'long '.repeat(20)}\n`),
  )
  assert.equal(terminal.all().split('\n').length, 5)
  for (const line of terminal.all().split('\n')) assert.ok(cellsOf(line) < 24, line)
  progress.close()
})

test('colours: BuildKit’s, those of BUILDKIT_COLORS, or none', () => {
  const draw = (env: Record<string, string>) => {
    let text = ''
    const progress = new TtyProgress(
      (part) => (text += part),
      () => ({ columns: 40, rows: 9 }),
      {
        colours: coloursOf(env).colours,
      },
    )
    progress.handle(vertex('1', 'done', { started: 0, completed: 1 }))
    progress.handle(vertex('2', 'bad', { started: 0, completed: 1, error: 'exit code: 1' }))
    progress.close()
    return text.replaceAll('\x1b', 'ESC')
  }
  assert.match(draw({}), /ESC\[34m => done .*ESC\[31m => ERROR bad/s)
  assert.match(
    draw({ BUILDKIT_COLORS: 'run=light-green:error=1,2,3' }),
    /ESC\[92m => done .*ESC\[38;2;1;2;3m => ERROR/s,
  )
  assert.doesNotMatch(draw({ NO_COLOR: '1', BUILDKIT_COLORS: 'run=red' }), /ESC\[[0-9;]*m/)
  assert.deepEqual(coloursOf({ BUILDKIT_COLORS: 'run=mauve:walk=red:error=1,2,999:cancel=red' }).wrong, [
    'run=mauve',
    'walk=red',
    'error=1,2,999',
  ])
  assert.equal(colours.run, '\x1b[34m')
})

test('output is shown as a terminal would show it', () => {
  const window = new LogWindow(3)
  window.write('a\nb\nc\nd\n')
  assert.deepEqual(window.lines(), ['b', 'c', 'd'])
  window.write('10%\r20%\rdone')
  assert.deepEqual(window.lines(), ['c', 'd', 'done'])
  window.write('\b\bXY\n\x1b[3')
  window.write('1mred\x1b[0m\tx')
  assert.deepEqual(window.lines(), ['d', 'doXY', 'red     x'])
  window.write(`${'much\n'.repeat(9)}1\n2\n3`)
  assert.deepEqual(window.lines(), ['1', '2', '3'])
  window.write('\n')
  assert.deepEqual(window.lines(), ['1', '2', '3'])
})

test('text is cut by cells', () => {
  assert.equal(cellsOf('aé日e\u0301'), 5)
  assert.equal(clipCells('日本語日本語日本語', 13), '日本語日本...')
  assert.equal(clipCells('abcdef', 3), 'abc')
})
