import { BuildError } from '../../build/index.ts'
import { asGrpcError, GrpcError } from './grpc/status.ts'

/**
 * A build's failure for BuildKit's clients. A place in the Dockerfile goes along as a typed detail, from which they print
 * the lines themselves.
 */
export function buildFailure(error: unknown): GrpcError {
  const plain = asGrpcError(error)
  if (!(error instanceof BuildError)) return plain
  const { source, range } = error
  const { start, end } = range
  const place = {
    info: {
      filename: source.name,
      language: 'Dockerfile',
      data: Buffer.from(source.lines.join('\n')).toString('base64'),
    },
    ranges: [{ start: { line: start.line }, end: { line: end.line } }],
  }
  return new GrpcError(plain.code, plain.message, [
    // BuildKit: details are JSON, and the type's name says so.
    {
      typeUrl: 'github.com/moby/buildkit/errdefs.Source+json',
      value: Buffer.from(JSON.stringify(place)),
    },
  ])
}
