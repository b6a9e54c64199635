import { StringDecoder } from 'node:string_decoder'
import type { Op } from '../../lib/op.ts'
import { RuntimeStartError, type OciMount, type Runtime, type StepOptions } from '../../runtime/index.ts'
import { hostPlatform } from '../../image/index.ts'
import type { RunStep, StepSettings } from '../graph/works.ts'
import type { Tree } from '../graph/tree.ts'
import { cacheKey, type Io, type Json, type Work } from '../solver/vertex.ts'
import { assertRunnable } from './emulation.ts'
import { MountStubs } from './mount-stubs.ts'
import { mountKey, mountsTrees, prepareMounts } from './mounts.ts'
import { prepareProcess } from './process.ts'
import { StepFailure } from './step-failure.ts'
import type { Tools } from './tools.ts'
import { makeLayer, type StepSpace } from './workspace.ts'

/** Output of one step that is passed on: clients cannot slow a step down. */
const maxOutput = 64 << 20
/** The end of the output, in which the reason of a failure is looked for. Characters. */
const maxTail = 8192

/** RUN: a process in the tree of the steps before, without a monitor; what it writes is the layer. */
export function runWork(tools: Tools, step: RunStep): Work<Tree> {
  // Proxies are a matter of the machine: a build elsewhere finds the same layers.
  const { proxyEnv: _proxy, onBase: _onBase, mounts: _mounts, ...definition } = step
  const key = (byLayers: boolean) => async (op: Op, inputs: readonly Tree[]) => {
    const { script, settings, ...rest } = definition
    const base = step.onBase ? inputs[0] : undefined
    const mounted = step.mounts.length > 0 ? await mountKey(op, tools, { step, inputs, byLayers }) : undefined
    const { manifest } = mounted ?? {}
    return {
      ...cacheKey({
        op: 'run',
        base: base?.layers ?? [],
        ...rest,
        ...(script && { script: { ...script } }),
        ...(settings && { settings: settingsKey(settings) }),
        ...(mounted && { mounts: mounted.mounts }),
      }),
      ...(manifest && { manifest }),
    }
  }
  return {
    keys: mountsTrees(step) ? [key(true), key(false)] : [key(false)],
    run: async (op, inputs, io) => {
      if (step.platform !== undefined) assertRunnable(step.platform, { host: hostPlatform().architecture })
      const base = step.onBase ? inputs[0] : undefined
      let stubs: MountStubs | undefined
      await using undo = new AsyncDisposableStack()
      const spaces: StepSpace[] = []
      const own: Tools = { ...tools, onSpace: (space) => spaces.push(space) }
      const { mounts, unchanged } = await prepareMounts(op, own, { step, inputs, undo, io })
      const result = await makeLayer(op, own, {
        layers: base?.layers ?? [],
        change: async (space) => {
          try {
            stubs = await runProcess(op, tools, { step, space, io, mounts })
          } catch (error) {
            if (error instanceof StepFailure) tools.keepFailed?.(op, { step, space, spaces, mounts })
            throw error
          }
        },
        clean: (space) => stubs?.clean(space.upper),
      })
      return { result, cacheable: unchanged }
    },
  }
}

async function runProcess(
  op: Op,
  tools: Tools,
  o: { step: RunStep; space: StepSpace; io: Io; mounts: readonly OciMount[] },
): Promise<MountStubs> {
  const { step, space, io } = o
  await using undo = new AsyncDisposableStack()
  const { spec, bundle } = await prepareProcess(op, tools, { step, space, mounts: o.mounts, undo })
  const stubs = MountStubs.note(
    space.root,
    spec.mounts.map((mount) => mount.destination),
  )
  let written = 0
  let tail = ''
  let clipped = false
  const decoders = { 1: new StringDecoder('utf8'), 2: new StringDecoder('utf8') }
  const code = await runStep(op, tools.runtime, {
    step,
    id: space.id,
    bundle,
    spec,
    onOutput: (stream, data) => {
      written += data.length
      if (clipped) return
      clipped = written > maxOutput
      const text = decoders[stream].write(data)
      if (text !== '') io.log(stream, text)
      tail = (tail + text).slice(-maxTail)
      if (clipped) io.log(2, `\n[output clipped, log limit ${maxOutput >> 20}MiB reached]\n`)
    },
  })
  op.signal.throwIfAborted()
  if (code !== 0) throw new StepFailure({ step, code, output: tail, memory: tools.resources.Memory })
  return stubs
}

/** A command that cannot be started: only what the runtime says of it, without the words around that clients of containers match. */
async function runStep(op: Op, runtime: Runtime, o: StepOptions & { step: RunStep }): Promise<number> {
  try {
    return await runtime.runStep(op, o)
  } catch (cause) {
    if (!(cause instanceof RuntimeStartError)) throw cause
    const reason = cause.message
      .replace(/^.*OCI runtime create failed: /, '')
      .replace(/^.*unable to start container process: /, '')
      .replace(/: unknown$/, '')
    throw new StepFailure({ step: o.step, reason, cause })
  }
}

function settingsKey(settings: StepSettings): Json {
  const { addHosts, ulimits, shmSize } = settings
  return {
    ...(addHosts && { addHosts }),
    ...(ulimits && { ulimits: ulimits.map((each) => ({ ...each })) }),
    ...(shmSize !== undefined && { shmSize }),
  }
}
