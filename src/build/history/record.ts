import { z } from 'zod'
import type { BuildDetail } from '../../wire/builds.ts'

const step = z.object({
  stage: z.string(),
  index: z.number(),
  total: z.number(),
  startLine: z.number(),
  endLine: z.number(),
  text: z.string(),
})
const vertex = z.object({
  type: z.literal('vertex'),
  id: z.string(),
  name: z.string(),
  started: z.number().exactOptional(),
  completed: z.number().exactOptional(),
  cached: z.boolean(),
  error: z.string().exactOptional(),
  digest: z.string().exactOptional(),
  inputs: z.array(z.string()).exactOptional(),
  miss: z.array(z.string()).exactOptional(),
  step: step.exactOptional(),
})
const status = z.object({
  type: z.literal('status'),
  vertex: z.string(),
  text: z.string(),
  started: z.number(),
  completed: z.number().exactOptional(),
})
const warning = z.looseObject({ type: z.literal('warning'), message: z.string() })
const error = z.object({
  message: z.string(),
  kind: z.string(),
  excerpt: z.string().exactOptional(),
  hints: z.array(z.string()).exactOptional(),
})

/** A build as it is kept: what people see of it, without the log. */
export type BuildRecord = BuildDetail

export const recordSchema: z.ZodType<BuildRecord> = z.object({
  id: z.string(),
  status: z.enum(['running', 'completed', 'error', 'canceled', 'interrupted']),
  tags: z.array(z.string()),
  context: z.string(),
  dockerfile: z.string(),
  target: z.string().exactOptional(),
  startedAt: z.string(),
  endedAt: z.string().exactOptional(),
  steps: z.object({ total: z.number(), done: z.number(), cached: z.number() }),
  warnings: z.number(),
  logBytes: z.number(),
  imageId: z.string().exactOptional(),
  buildArgs: z.record(z.string(), z.string()),
  labels: z.record(z.string(), z.string()),
  noCache: z.boolean(),
  networkMode: z.string().exactOptional(),
  platform: z.string().exactOptional(),
  vertices: z.array(vertex),
  statuses: z.array(status),
  warningList: z.array(warning),
  error: error.exactOptional(),
})
