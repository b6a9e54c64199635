import assert from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { command, eventually, finished, missing, system, type ClientName } from '../harness.ts'

/** What a child has written so far; grows. */
function transcript(child: ChildProcessWithoutNullStreams): { text: string } {
  const seen = { text: '' }
  child.stdout.on('data', (chunk: Buffer) => (seen.text += chunk.toString()))
  return seen
}

const until = (seen: { text: string }, pattern: RegExp) =>
  eventually(() => {
    const match = pattern.exec(seen.text)
    assert.ok(match, `waiting for ${pattern}, saw ${JSON.stringify(seen.text)}`)
    return match
  })

export function streamScenarios(client: ClientName): void {
  suite(`streams and terminals, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)
    /** A docker before 23 tells the size after the start, so that only a second look is sure to see it. */
    const sizeCommand = async () => {
      const old =
        s.client === 'docker' && (await s.ok('version', '--format', '{{.Client.APIVersion}}')) < '1.42'
      return old ? ['sh', '-c', 'sleep 0.5; stty size'] : ['stty', 'size']
    }

    test('run -i: end of input reaches the container, its last output reaches us', async () => {
      for (let i = 0; i < 10; i++) {
        const result = await s.run(['run', '--rm', '-i', 'busybox', 'sh', '-c', 'cat; echo end'], {
          input: `in${i}\n`,
        })
        assert.deepEqual([result.code, result.stdout], [0, `in${i}\nend\n`])
      }
    })

    test('exec -i: the same, 100 times', { timeout: 120_000 }, async () => {
      await s.ok('run', '-d', '--name', 'half', 'busybox', 'sleep', '1000')
      let next = 0
      const worker = async () => {
        while (next < 100) {
          const i = next++
          const result = await s.run(['exec', '-i', 'half', 'sh', '-c', 'cat; sleep 0.01; echo end'], {
            input: `in${i}\n`,
          })
          assert.deepEqual([result.code, result.stdout, result.stderr], [0, `in${i}\nend\n`, ''], `try ${i}`)
        }
      }
      await Promise.all([worker(), worker(), worker()])
    })

    test('without -i the container’s stdin is empty', async () => {
      const result = await s.run(['run', '--rm', 'busybox', 'wc', '-c'], { input: 'not for you' })
      assert.equal(result.stdout, '0\n')
    })

    test('8 MB go in and out unharmed', async () => {
      const data = randomBytes(6 << 20).toString('base64')
      const sum = createHash('sha256').update(data).digest('hex')
      const into = await s.run(['run', '--rm', '-i', 'busybox', 'sha256sum'], { input: data })
      assert.equal(into.stdout, `${sum}  -\n`)
      const through = await s.run(['run', '--rm', '-i', 'busybox', 'cat'], { input: data })
      assert.equal(createHash('sha256').update(through.stdout).digest('hex'), sum)
    })

    test('a container that does not read its input does not hang', async () => {
      const result = await s.run(['run', '--rm', '-i', 'busybox', 'true'], { input: randomBytes(1 << 20) })
      assert.equal(result.code, 0)
    })

    test('-t: a terminal of the right size from the first line on', async () => {
      const child = s.pty(['run', '--rm', '-t', 'busybox', ...(await sizeCommand())], {
        rows: 33,
        columns: 101,
      })
      const { stdout, code } = await finished(child, 'run -t')
      // Docker: without -i our side's terminal stays as it is, and adds a CR of its own.
      assert.match(stdout, /^33 101\r+\n$/)
      assert.equal(code, 0)
    })

    test('exec -t: the same, each time', async () => {
      await s.ok('run', '-d', '--name', 'tty', 'busybox', 'sleep', '1000')
      const command = await sizeCommand()
      for (let i = 0; i < 5; i++) {
        const child = s.pty(['exec', '-t', 'tty', ...command], { rows: 34, columns: 102 })
        const { stdout, code } = await finished(child, 'exec -t')
        assert.match(stdout, /^34 102\r+\n$/)
        assert.equal(code, 0)
      }
    })

    test('-t without a terminal on our side still gives one inside', async () => {
      const result = await s.run(['run', '--rm', '-t', 'busybox', 'sh', '-c', 'tty; echo $TERM'])
      assert.equal(result.stdout, '/dev/pts/0\r\nxterm\r\n')
    })

    test('-it without a terminal is refused', async () => {
      await s.fails(1, /TTY/, 'run', '--rm', '-it', 'busybox', 'true')
    })

    test('run -it: a shell to type in, which follows the window’s size', async () => {
      const child = s.pty(['run', '--rm', '-it', 'busybox', 'sh'], { rows: 40, columns: 90 })
      const seen = transcript(child)
      const ended = finished(child, 'run -it')
      await until(seen, /# /)
      child.stdin.write('echo $((40+2)) $(stty size)\n')
      await until(seen, /42 40 90\r\n/)
      // The window: the terminal that script(1) made for the client.
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
      const terminal = readlinkSync(`/proc/${children.trim().split(' ')[0]}/fd/0`)
      // One of the two: stty sets one after the other, and docker 20's client may then tell the first alone.
      await command(['stty', '-F', terminal, 'rows', '50'])
      await eventually(async () => {
        child.stdin.write('stty size\n')
        await sleep(200)
        assert.match(seen.text, /50 90\r\n/)
      })
      child.stdin.write('exit 7\n')
      assert.equal((await ended).code, 7)
    })

    test('Ctrl-C in a terminal goes to the process inside', async () => {
      const child = s.pty([
        'run',
        '--rm',
        '-it',
        'busybox',
        'sh',
        '-c',
        "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done",
      ])
      const seen = transcript(child)
      const ended = finished(child, 'run -it')
      await until(seen, /ready/)
      child.stdin.write('\x03')
      assert.equal((await ended).code, 9)
      assert.match(seen.text, /caught/)
    })

    test('Ctrl-D ends the input of a terminal: a shell goes, with the code of its last command', async () => {
      const child = s.pty(['run', '--rm', '-it', 'busybox', 'sh'])
      const seen = transcript(child)
      const ended = finished(child, 'run -it')
      await until(seen, /# /)
      child.stdin.write('sh -c "exit 3"; echo code $?; (exit 5)\n')
      // The shell reads its line at its prompt alone.
      await until(seen, /code 3\r\n.*# /s)
      await sleep(100)
      child.stdin.write('\x04')
      assert.equal((await ended).code, 5)
    })

    test('Ctrl-P Ctrl-Q detaches and leaves the container running', async () => {
      const child = s.pty(['run', '-it', '--name', 'left', 'busybox', 'sh'])
      const seen = transcript(child)
      const ended = finished(child, 'run -it')
      await until(seen, /# /)
      child.stdin.write('\x10\x11')
      assert.equal((await ended).code, 0)
      assert.equal(await s.ok('inspect', '--format', '{{.State.Running}}', 'left'), 'true')
      assert.doesNotMatch(seen.text, /escape/)
      const again = s.pty(['attach', 'left'])
      const more = transcript(again)
      const over = finished(again, 'attach')
      // The shell is made to show its prompt, though nothing was typed.
      await until(more, /# /)
      again.stdin.write('echo back $((1+1))\n')
      await until(more, /back 2/)
      const command = s.pty(['exec', '-it', '--detach-keys', 'ctrl-x,b', 'left', 'sh'])
      const said = transcript(command)
      const gone = finished(command, 'exec -it')
      await until(said, /# /)
      command.stdin.write('\x18b')
      assert.equal((await gone).code, 1)
      assert.match(said.text, /read escape sequence/)
      again.stdin.write('exit 4\n')
      assert.equal((await over).code, 4)
    })

    test('signals to the client go to the container', async () => {
      const child = s.spawn([
        'run',
        '--rm',
        'busybox',
        'sh',
        '-c',
        "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done",
      ])
      const seen = transcript(child)
      const ended = finished(child, 'run')
      child.stdin.end()
      await until(seen, /ready/)
      child.kill('SIGTERM')
      const result = await ended
      assert.deepEqual([result.code, result.stdout], [5, 'ready\nbye\n'])
    })

    test('attach: output from now on, exit code at the end', async () => {
      await s.ok(
        'run',
        '-d',
        '-i',
        '--name',
        'att',
        'busybox',
        'sh',
        '-c',
        'read line; echo got $line; exit 6',
      )
      // Docker: the end of our input would detach, because the container keeps its stdin open for the next client.
      const child = s.spawn(['attach', 'att'])
      const ended = finished(child, 'attach')
      child.stdin.write('this\n')
      const result = await ended
      assert.deepEqual([result.code, result.stdout], [6, 'got this\n'])
    })

    test('attach to a stopped container is refused', async () => {
      await s.ok('create', '--name', 'cold', 'busybox', 'true')
      await s.fails(1, /cannot attach to a stopped container/i, 'attach', 'cold')
    })

    test('a client that vanishes leaves the container running', async () => {
      const child = s.spawn(['run', '-i', '--name', 'alone', 'busybox', 'sh', '-c', 'echo up; sleep 100'])
      const seen = transcript(child)
      await until(seen, /up/)
      child.kill('SIGKILL')
      await finished(child, 'run')
      assert.equal(await s.ok('inspect', '--format', '{{.State.Running}}', 'alone'), 'true')
    })
  })
}
