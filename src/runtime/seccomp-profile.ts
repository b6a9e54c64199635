import { release } from 'node:os'
import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import type { OciCustomSeccomp } from './oci-spec.ts'

const filter = z.object({
  caps: z.array(z.string()).optional(),
  arches: z.array(z.string()).optional(),
  minKernel: z.string().optional(),
})
const number = z.number().int().nonnegative()
const schema = z.object({
  defaultAction: z.string(),
  defaultErrnoRet: number.optional(),
  architectures: z.array(z.string()).nullish(),
  archMap: z
    .array(z.object({ architecture: z.string(), subArchitectures: z.array(z.string()).nullish() }))
    .nullish(),
  flags: z.array(z.string()).nullish(),
  syscalls: z
    .array(
      z.object({
        name: z.string().optional(),
        names: z.array(z.string()).optional(),
        action: z.string(),
        errnoRet: number.optional(),
        args: z
          .array(z.object({ index: number, value: number, valueTwo: number.optional(), op: z.string() }))
          .nullish(),
        includes: filter.optional(),
        excludes: filter.optional(),
      }),
    )
    .nullish(),
})
type Filter = z.infer<typeof filter>

const tokens: Record<string, string> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

/**
 * Decodes a profile in Docker's format (OCI's with `archMap`, `includes` and `excludes`) for one architecture and one
 * set of capabilities. Throws kind `invalid`, naming the field.
 */
export function decodeSeccomp(
  text: string,
  o: { capabilities: readonly string[]; arch: string; kernel?: string },
): OciCustomSeccomp {
  const profile = decode(text)
  const kernel = o.kernel ?? release()
  const all = (f: Filter) =>
    (f.caps ?? []).every((cap) => o.capabilities.includes(cap)) &&
    (!f.arches?.length || f.arches.includes(o.arch)) &&
    (f.minKernel === undefined || atLeast(kernel, f.minKernel))
  const any = (f: Filter) =>
    (f.caps ?? []).some((cap) => o.capabilities.includes(cap)) ||
    (f.arches ?? []).includes(o.arch) ||
    (f.minKernel !== undefined && atLeast(kernel, f.minKernel))
  const own = profile.archMap?.find((entry) => entry.architecture === tokens[o.arch])
  const architectures = own
    ? [own.architecture, ...(own.subArchitectures ?? [])]
    : (profile.architectures ?? [])
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length > 0 && { architectures }),
    ...(profile.flags?.length && { flags: profile.flags }),
    syscalls: (profile.syscalls ?? [])
      .filter((rule) => (!rule.includes || all(rule.includes)) && (!rule.excludes || !any(rule.excludes)))
      .map((rule) => ({
        names: [...(rule.name ? [rule.name] : []), ...(rule.names ?? [])],
        action: rule.action,
        ...(rule.errnoRet !== undefined && { errnoRet: rule.errnoRet }),
        ...(rule.args?.length && {
          args: rule.args.map(({ index, value, valueTwo, op }) => ({
            index,
            value,
            op,
            ...(valueTwo !== undefined && { valueTwo }),
          })),
        }),
      })),
  }
}

function decode(text: string): z.infer<typeof schema> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new EngineError(
      'invalid',
      'the seccomp profile is not JSON (docker and gantry read the file and send its content)',
      {
        cause: error,
      },
    )
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new EngineError(
    'invalid',
    `the seccomp profile is not valid: ${issue?.path.join('.')}: ${issue?.message}`,
  )
}

function atLeast(kernel: string, minimum: string): boolean {
  const [a = 0, b = 0] = kernel.split(/[.-]/).map(Number)
  const [c = 0, d = 0] = minimum.split('.').map(Number)
  return a > c || (a === c && b >= d)
}
