/**
 * What system tests stand on: a daemon of their own (own roots, socket, bridge, cgroup), commands run through a
 * client as a user types them, and a check after every test that the kernel and the disk are as they were before.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach } from 'node:test'
import { loadBusybox } from './harness/busybox.ts'
import { Daemon } from './harness/daemon.ts'
import { eventually } from './harness/run.ts'
import { Session, type ClientName } from './harness/session.ts'
import { listImages, sweep } from './harness/sweep.ts'
import { difference, snapshot, type Snapshot } from './leaks.ts'

export { busyboxTar } from './harness/busybox.ts'
export { Daemon, root } from './harness/daemon.ts'
export { freePort } from './harness/free-port.ts'
export { command, eventually, finished, type Result, type RunOptions } from './harness/run.ts'
export { missing, Session, type ClientName } from './harness/session.ts'
export { sweep } from './harness/sweep.ts'

/**
 * Call inside a suite: a daemon for its tests with the image busybox, stopped at the end. Whatever containers,
 * volumes and images a test leaves are removed after it; then nothing else may be left of it.
 */
export function system(client: ClientName = 'gantry', options: { flags?: string[] } = {}): Session {
  const daemon = new Daemon()
  daemon.flags.push(...(options.flags ?? []))
  const session = new Session(client, daemon)
  let images = new Set<string>()
  let at: Snapshot | undefined
  let empty: Snapshot | undefined
  before(async () => {
    empty = snapshot(daemon.places)
    await daemon.start()
    await loadBusybox(daemon)
    // The first container makes folders that stay.
    await new Session('gantry', daemon).ok('run', '--rm', 'busybox', 'true')
    images = new Set((await listImages(daemon)).map((image) => image.Id))
  })
  beforeEach(() => {
    at = snapshot(daemon.places)
  })
  afterEach(async () => {
    if (!daemon.pid) return
    await sweep(daemon, images)
    await eventually(() => {
      const all = difference(at ?? {}, snapshot(daemon.places))
      // The kernel takes the veth of a container away a little after it: one may still have been there before the test.
      assert.deepEqual(
        all.filter((line) => !line.startsWith('link lost: gv')),
        [],
      )
    }, 5000)
  })
  after(async () => {
    try {
      if (daemon.pid) {
        await sweep(daemon, new Set())
        await daemon.stop()
      }
      // The folders of a daemon stay, what containers had in them must not; the bridge and its rules go too.
      const left = difference(empty ?? {}, snapshot(daemon.places)).filter(
        (line) => !/^(disk|run) /.test(line),
      )
      assert.deepEqual(left, [])
    } finally {
      daemon.dispose()
    }
  })
  return session
}
