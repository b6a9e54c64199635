import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { dockerArchive } from '../archives.ts'
import { root, type Daemon } from './daemon.ts'

let archive: Promise<Buffer> | undefined

/** The root file system of the local base image as a tar. */
export function busyboxTar(): Promise<Buffer> {
  archive ??= new Promise((resolve, reject) => {
    const child = spawn(join(root, 'tools/busybox-rootfs'), { stdio: ['ignore', 'pipe', 'inherit'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve(Buffer.concat(chunks)) : reject(new Error('busybox-rootfs')),
    )
  })
  return archive
}

export async function loadBusybox(daemon: Daemon): Promise<void> {
  const config = { Cmd: ['sh'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] }
  const input = await dockerArchive({ layers: [await busyboxTar()], tags: ['busybox:latest'], config })
  const { status, text } = await daemon.api('POST', '/images/load?quiet=1', input)
  assert.equal(status, 200, text)
  assert.doesNotMatch(text, /"error"/)
}
