import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { before, suite, test } from 'node:test'
import Docker from 'dockerode'
import { tar } from '../system/archives.ts'
import { system } from '../system/harness.ts'

/** What was written to both streams of a multiplexed one. */
async function split(docker: Docker, stream: NodeJS.ReadableStream): Promise<[string, string]> {
  const [out, err] = [new PassThrough(), new PassThrough()]
  docker.modem.demuxStream(stream, out, err)
  stream.on('end', () => (out.end(), err.end()))
  return Promise.all([text(out), text(err)])
}

suite('dockerode', () => {
  const s = system()
  let docker: Docker
  before(() => {
    docker = new Docker({ socketPath: s.daemon.socket })
  })

  test('ping, version, info, images', async () => {
    assert.equal(String(await docker.ping()), 'OK')
    assert.equal((await docker.version()).ApiVersion, '1.51')
    assert.deepEqual(
      (await docker.listImages()).flatMap((image) => image.RepoTags),
      ['busybox:latest'],
    )
  })

  test('run', async () => {
    const out = new PassThrough()
    const seen = text(out)
    const result: unknown = await docker.run('busybox', ['sh', '-c', 'echo hi; exit 3'], out, { Tty: true })
    const [{ StatusCode }, container] = result as [{ StatusCode: number }, Docker.Container]
    out.end()
    assert.deepEqual([StatusCode, await seen], [3, 'hi\r\n'])
    await container.remove()
  })

  test('attach before start, with stdin', async () => {
    const container = await docker.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'cat; echo err >&2'],
      OpenStdin: true,
      StdinOnce: true,
    })
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    })
    const seen = split(docker, stream)
    await container.start()
    stream.end('to you\n')
    assert.deepEqual(await seen, ['to you\n', 'err\n'])
    assert.deepEqual(await container.wait(), { StatusCode: 0 })
  })

  test('exec, and its exit code', async () => {
    const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '100'] })
    await container.start()
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'cat; exit 7'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    })
    const stream = await exec.start({ hijack: true, stdin: true })
    const seen = split(docker, stream)
    stream.end('through exec\n')
    assert.deepEqual(await seen, ['through exec\n', ''])
    const { ExitCode, Running } = await exec.inspect()
    assert.deepEqual([ExitCode, Running], [7, false])
  })

  test('exec with a terminal that is resized', async () => {
    const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '100'] })
    await container.start()
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'read x; stty size'],
      Tty: true,
      AttachStdin: true,
      AttachStdout: true,
    })
    const stream = await exec.start({ hijack: true, stdin: true, Tty: true })
    const seen = text(stream)
    await exec.resize({ h: 31, w: 99 })
    stream.write('\n')
    assert.match(await seen, /31 99\r\n$/)
  })

  test('logs, whole and followed', async () => {
    const container = await docker.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'echo out; echo err >&2; sleep 0.3; echo late'],
    })
    await container.start()
    const followed = await container.logs({ follow: true, stdout: true, stderr: true })
    assert.deepEqual(await split(docker, followed), ['out\nlate\n', 'err\n'])
    const whole = await container.logs({ stdout: true, stderr: false, follow: false })
    assert.match(whole.toString(), /out\n[^]*late\n/)
  })

  test('build from a tar', async () => {
    const context = await tar([
      { name: 'Dockerfile', content: 'FROM busybox\nCOPY f /f\nCMD ["cat", "/f"]\n' },
      { name: 'f', content: 'built\n' },
    ])
    const stream = await docker.buildImage(context as unknown as string, { t: 'rode:1' })
    const events = await new Promise<{ stream?: string; aux?: { ID: string }; error?: string }[]>(
      (resolve, reject) => {
        docker.modem.followProgress(
          stream,
          (error: Error | null, all: { stream?: string; aux?: { ID: string } }[]) =>
            error ? reject(error) : resolve(all),
        )
      },
    )
    assert.ok(
      events.some((event) => event.stream?.startsWith('Successfully built')),
      JSON.stringify(events),
    )
    assert.ok(events.some((event) => event.aux?.ID.startsWith('sha256:')))
    const out = new PassThrough()
    const seen = text(out)
    await docker.run('rode:1', [], out, { Tty: true })
    out.end()
    assert.equal(await seen, 'built\r\n')
  })

  test('who hears of a death finds the container over', async () => {
    const events = await docker.getEvents({ filters: { event: ['die'] } })
    const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'exit 4'] })
    const died = once(events, 'data')
    await container.start()
    await died
    const { State } = await container.inspect()
    assert.deepEqual([State.Running, State.Status, State.ExitCode], [false, 'exited', 4])
    events.removeAllListeners()
    if (events instanceof Readable) events.destroy()
    await container.remove()
  })

  test('errors carry docker’s status and message', async () => {
    await assert.rejects(docker.getContainer('nosuch').inspect(), {
      statusCode: 404,
      message: /No such container: nosuch/,
    })
    await assert.rejects(docker.createContainer({ Image: 'nosuch' }), {
      statusCode: 404,
      message: /No such image: nosuch:latest/,
    })
  })
})
