/** Runs a container by Gantry's own client: `GANTRY_HOST` says where, `tools/with-node examples/client/run.ts` starts it. */
import { connect, DaemonError } from 'gantry'

using gantry = connect({ host: process.env['GANTRY_HOST'] ?? 'unix:///run/gantry/gantry.sock' })

const { Id } = await gantry.containers.create({
  Image: 'busybox',
  Cmd: ['sh', '-c', 'echo hello from $HOSTNAME; exit 3'],
  Hostname: 'example',
  Labels: { 'com.example.purpose': 'documentation' },
})
try {
  // Registered before the start: neither output nor exit can be missed.
  const { stream } = await gantry.containers.attach(Id, { stdout: true, stderr: true })
  const exit = await gantry.containers.wait(Id, 'next-exit')
  await gantry.containers.start(Id)
  for await (const chunk of stream as AsyncIterable<Buffer>) process.stdout.write(chunk.subarray(8))
  console.log(`exit code ${(await exit.result).StatusCode}`)

  const found = await gantry.containers.list({ all: true, filters: { label: ['com.example.purpose'] } })
  console.log(`found ${found.length}: ${found[0]?.State}`)
} finally {
  await gantry.containers.remove(Id, { force: true })
}

try {
  await gantry.containers.inspect(Id)
} catch (error) {
  if (!(error instanceof DaemonError)) throw error
  console.log(`${error.status} ${error.kind}`)
}
