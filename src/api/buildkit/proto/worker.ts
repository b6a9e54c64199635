import { bool, int32, int64, message, messages, nested, string, stringMap, strings } from './message.ts'

export const Platform = message({ Architecture: string(1), OS: string(2), Variant: string(3) })

export const BuildkitVersion = message({ package: string(1), version: string(2), revision: string(3) })

const GCPolicy = message({
  all: bool(1),
  keepDuration: int64(2),
  reservedSpace: int64(3),
  filters: strings(4),
})

/** moby.buildkit.v1.types.WorkerRecord */
export const WorkerRecord = message({
  ID: string(1),
  Labels: stringMap(2),
  platforms: messages(3, Platform),
  gcPolicy: messages(4, GCPolicy),
  buildkitVersion: nested(5, BuildkitVersion),
})

const Position = message({ line: int32(1), character: int32(2) })
/** pb.Range: where something stands in a Dockerfile. Lines count from 1. */
export const Range = message({ start: nested(1, Position), end: nested(2, Position) })
