/**
 * Worker thread: everything here is synchronous system calls, which would block the daemon's own thread.
 * Jobs with streams run side by side, piece by piece; the others run to their end.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort } from 'node:worker_threads'
import type { Digest } from '../lib/digest.ts'
import { hasCode, kindOf, messageOf } from '../lib/errors.ts'
import { copyTree } from '../host/copy.ts'
import { RootDir } from '../host/root-dir.ts'
import { syncFileSystem } from '../host/sync.ts'
import { linkFiles, openEarlier } from './earlier-files.ts'
import { ExtractSink } from './extract-sink.ts'
import { decompressor, type Decompressor } from './decompressor.ts'
import { changesOf, usageOf } from './inspect-tree.ts'
import { compareFiles, listLayer } from './list-layer.ts'
import { windowSize, type FromWorker, type Job, type Jobs, type ToWorker } from './jobs.ts'
import { LayerSink } from './layer-sink.ts'
import { Packing } from './packing.ts'
import { TarParser } from './tar-parser.ts'
import { tarOf } from './tar-writer.ts'

/** A job that takes or gives a stream. */
interface Session {
  /** Nothing of the bytes is kept. */
  chunk?(data: Buffer): void
  /** The input is complete: gives the result. */
  end?(): unknown
  /** Bytes may be sent. Gives the result when there are no more. */
  credit?(bytes: number): { result: unknown } | undefined
  close(): void
}

const sessions = new Map<number, Session>()
const port = parentPort
function send(message: FromWorker): void {
  if (message.type === 'ack') return port?.postMessage(message, [message.memory])
  if (message.type !== 'chunk') return port?.postMessage(message)
  const { chunk } = message
  const whole = chunk.buffer.byteLength === chunk.length ? chunk : new Uint8Array(chunk)
  port?.postMessage({ ...message, chunk: whole }, [whole.buffer as ArrayBuffer])
}

port?.on('message', receiveMessage)

function receiveMessage(message: ToWorker): void {
  const { id } = message
  try {
    handle(message)
  } catch (error) {
    finish(id)
    send({ type: 'failed', id, failure: describe(error) })
  }
}

function handle(message: ToWorker): void {
  const { id } = message
  const session = sessions.get(id)
  switch (message.type) {
    case 'start': {
      const started = start(id, message.job, new Int32Array(message.cancel))
      if ('result' in started) send({ type: 'done', id, result: started.result })
      else sessions.set(id, started.session)
      return
    }
    case 'chunk': {
      const { buffer, byteOffset, length } = message.chunk
      if (!session?.chunk) return
      session.chunk(Buffer.from(buffer, byteOffset, length))
      send({ type: 'ack', id, bytes: length, memory: buffer as ArrayBuffer })
      return
    }
    case 'end': {
      if (!session?.end) return
      const result = session.end()
      finish(id)
      send({ type: 'done', id, result })
      return
    }
    case 'credit': {
      const over = session?.credit?.(message.bytes)
      if (!over) return
      finish(id)
      send({ type: 'done', id, result: over.result })
      return
    }
    case 'abort':
      finish(id)
      throw new Error('cancelled')
  }
}

function finish(id: number): void {
  const session = sessions.get(id)
  sessions.delete(id)
  session?.close()
}

function start(id: number, job: Job, cancel: Int32Array): { session: Session } | { result: unknown } {
  const check = () => {
    if (Atomics.load(cancel, 0) !== 0) throw new Error('cancelled')
  }
  switch (job.kind) {
    case 'unpack':
      return { session: unpack(job.input) }
    case 'receive':
      return { session: receive(job.input, check) }
    case 'extract':
      return { session: extract(job.input) }
    case 'tar':
      return { session: tar(id, job.input) }
    case 'pack':
      return { session: pack(id, job.input) }
    case 'hash':
      return { result: hash(job.input, check) }
    case 'copy': {
      const { entries, chown, mode, mtime, earlier: files } = job.input
      using from = RootDir.open(job.input.from, { cache: true })
      using to = RootDir.open(job.input.to, { cache: true })
      const common = { from, to, fidelity: 'content' as const, check }
      const options = {
        ...common,
        ...(chown && { chown }),
        ...(mode !== undefined && { mode }),
        ...(mtime !== undefined && { mtime }),
      }
      using earlier = files && openEarlier(to, files)
      for (const { only, ...entry } of entries)
        copyTree({
          ...options,
          ...entry,
          ...(only && { only: new Set(only.map((path) => Buffer.from(path).toString('latin1'))) }),
          ...(earlier && { earlier }),
        })
      return {
        result: {
          linked: earlier?.noted ?? [],
          ...(earlier?.changed !== undefined && { changed: earlier.changed }),
        },
      }
    }
    case 'link':
      linkFiles(job.input, check)
      return { result: null }
    case 'duplicate': {
      using from = RootDir.open(job.input.from, { symlinks: false })
      using to = RootDir.open(job.input.to, { symlinks: false, cache: true })
      copyTree({ from, to, source: '.', target: '.', fidelity: 'exact', check })
      for (const path of job.input.mountPoints ?? []) {
        const stat = to.tryLstat(path)
        if (stat?.kind !== 'file' || stat.size > 0) continue
        const folder = dirname(path)
        const { mtimeSec: sec, mtimeNsec: nsec } = to.lstat(folder)
        to.unlink(path)
        // Nothing of the container has changed: copies of the same content are the same layer.
        to.utimes(folder, { sec, nsec })
      }
      return { result: null }
    }
    case 'changes': {
      using upper = RootDir.open(job.input.upper, { symlinks: false })
      using lower = RootDir.open(job.input.lower, { symlinks: false })
      return { result: changesOf(upper, lower) }
    }
    case 'usage': {
      using root = RootDir.open(job.input.dir, { symlinks: false })
      return { result: usageOf(root) }
    }
    case 'list': {
      using root = RootDir.open(job.input.dir, { symlinks: false, cache: true })
      return { result: listLayer(root, check) }
    }
    case 'compare':
      return { result: compare(job.input, check) }
    case 'remove':
      rmSync(job.input.path, { recursive: true, force: true })
      return { result: null }
    case 'sync':
      syncFileSystem(job.input.path)
      return { result: null }
  }
}

function compare({ pairs }: Jobs['compare']['in'], check: () => void): Jobs['compare']['out'] {
  using roots = new DisposableStack()
  const byDir = new Map<string, RootDir>()
  const open = (dir: string) => {
    const known = byDir.get(dir)
    if (known) return known
    const root = roots.use(RootDir.open(dir, { symlinks: false }))
    byDir.set(dir, root)
    return root
  }
  return compareFiles(pairs, open, check)
}

function unpack(input: Jobs['unpack']['in']): Session {
  const root = RootDir.open(input.dir, { symlinks: false, cache: true })
  const sink = new LayerSink(root)
  const parser = new TarParser(sink)
  const hasher = createHash('sha256')
  let tarSize = 0
  return {
    chunk(data) {
      tarSize += data.length
      hasher.update(data)
      parser.push(data)
    },
    end(): Jobs['unpack']['out'] {
      parser.end()
      sink.finish()
      const digest: Digest = `sha256:${hasher.digest('hex')}`
      const { size, opaqueRoot, skippedXattrs } = sink
      return { digest, size, tarSize, opaqueRoot, skippedXattrs: [...skippedXattrs] }
    },
    close() {
      sink.abandon()
      root[Symbol.dispose]()
    },
  }
}

function receive(input: Jobs['receive']['in'], check: () => void): Session {
  const inner = unpack({ dir: input.dir })
  const copy = openSync(input.copyTo, 'wx', 0o600)
  const hasher = createHash('sha256')
  let size = 0
  let stage: Decompressor | undefined
  const unpackSome = (plain: Buffer) => {
    // A few bytes can be a thousand times as many.
    check()
    inner.chunk?.(plain)
  }
  return {
    chunk(data) {
      for (let done = 0; done < data.length;) done += writeSync(copy, data, done)
      hasher.update(data)
      if (size === 0) stage = decompressor(data, unpackSome)
      size += data.length
      if (stage) stage.write(data)
      else inner.chunk?.(data)
    },
    end(): Jobs['receive']['out'] {
      stage?.end()
      const unpacked = inner.end?.() as Jobs['unpack']['out']
      return { ...unpacked, blob: `sha256:${hasher.digest('hex')}`, blobSize: size }
    },
    close() {
      stage?.[Symbol.dispose]()
      inner.close()
      closeSync(copy)
    },
  }
}

function extract(input: Jobs['extract']['in']): Session {
  const root = RootDir.open(input.root, { cache: true })
  const target = Buffer.from(input.target).toString('latin1')
  const { chown, anySymlinks, whole, copied } = input
  const sink = new ExtractSink(root, {
    target,
    ...(chown && { chown }),
    ...(anySymlinks && { anySymlinks }),
    ...(whole && { whole }),
    ...(copied && { copied }),
  })
  const parser = new TarParser(sink)
  return {
    chunk: (data) => parser.push(data),
    end(): Jobs['extract']['out'] {
      parser.end()
      sink.finish()
      return { size: sink.size, skippedXattrs: [...sink.skippedXattrs] }
    },
    close() {
      sink.abandon()
      root[Symbol.dispose]()
    },
  }
}

function tar(id: number, input: Jobs['tar']['in']): Session {
  const root = RootDir.open(input.dir, { symlinks: false, cache: input.form === 'layer' })
  const chunks = tarOf(root, input)
  let credit = windowSize
  // Headers are small: sent together, one message carries hundreds of files.
  let batch: Buffer[] = []
  let batchSize = 0
  const flush = () => {
    if (batchSize === 0) return
    const [first] = batch
    const chunk = batch.length === 1 && first ? first : Buffer.concat(batch, batchSize)
    batch = []
    credit -= batchSize
    batchSize = 0
    send({ type: 'chunk', id, chunk })
  }
  return {
    credit(bytes) {
      credit += bytes
      while (credit > 0) {
        const next = chunks.next()
        if (next.done) {
          flush()
          return { result: next.value satisfies Jobs['tar']['out'] }
        }
        batch.push(next.value)
        batchSize += next.value.length
        if (batchSize >= 1 << 18) flush()
      }
      return undefined
    },
    close() {
      chunks.return({ size: 0 })
      root[Symbol.dispose]()
    },
  }
}

function pack(id: number, input: Jobs['pack']['in']): Session {
  let credit = windowSize
  let again: NodeJS.Immediate | undefined
  const packing = new Packing(input, (chunk, read) => {
    credit -= chunk.length
    send({ type: 'chunk', id, chunk, read })
  })
  return {
    credit(bytes) {
      credit += bytes
      if (credit <= 0 || again) return undefined
      if (packing.step()) return { result: null satisfies Jobs['pack']['out'] }
      // Compressing takes long: others get their turn in between.
      again = setImmediate(() => {
        again = undefined
        receiveMessage({ type: 'credit', id, bytes: 0 })
      })
      return undefined
    },
    close() {
      clearImmediate(again)
      packing[Symbol.dispose]()
    },
  }
}

function hash(input: Jobs['hash']['in'], check: () => void): Jobs['hash']['out'] {
  using root = RootDir.open(input.dir, { symlinks: false, cache: true })
  const hasher = createHash('sha256')
  const chunks = tarOf(root, {
    form: 'layer',
    reuse: true,
    ...(input.epoch !== undefined && { epoch: input.epoch }),
  })
  let tarSize = 0
  for (;;) {
    const next = chunks.next()
    if (next.done) return { digest: `sha256:${hasher.digest('hex')}`, size: next.value.size, tarSize }
    check()
    tarSize += next.value.length
    hasher.update(next.value)
  }
}

function describe(error: unknown): Extract<FromWorker, { type: 'failed' }>['failure'] {
  const code = hasCode(error, 'ENOENT', 'ENOTDIR', 'EEXIST', 'ENOSPC', 'EDQUOT', 'ELOOP', 'EISDIR')
    ? { code: String((error as Error & { code: unknown }).code) }
    : {}
  return {
    kind: kindOf(error),
    message: messageOf(error),
    ...code,
    ...(error instanceof Error && error.stack !== undefined && { stack: error.stack }),
  }
}
