import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { EngineError, messageOf } from '../lib/errors.ts'
import { isName } from './names.ts'

/** A registry that some of our names are copies of. */
export interface UpstreamSettings {
  /** Of our names: `ghcr.io` for `ghcr.io/owner/app`; empty for all, as docker's `registry-mirrors` asks. */
  readonly prefix: string
  /** `docker.io`, `host[:port]`. */
  readonly registry: string
  /** Before the rest of the name there: empty, or `owner`. */
  readonly path: string
  /** Plain HTTP, or a certificate that nobody signed, will do. */
  readonly insecure: boolean
  readonly login: { readonly username: string; readonly password: string } | undefined
  /** How long a tag is taken for true before the upstream is asked again. Milliseconds. */
  readonly fresh: number
}

export interface PullThroughSettings {
  /** The longest prefix counts. */
  readonly upstreams: readonly UpstreamSettings[]
  /** Of copies, together: what was used longest ago goes when they need more. */
  readonly maxBytes: number | undefined
  /** Copies that nobody used for so long go. Milliseconds. */
  readonly maxUnused: number | undefined
}

const maxFile = 1 << 20
const minute = 60_000
const text = z.string().min(1).max(1000)
const age = z
  .string()
  .regex(/^\d{1,6}[smhd]$/, { error: 'want a number and s, m, h or d, like "30d"' })
  .transform(
    (value) =>
      Number(value.slice(0, -1)) * ({ s: 1000, m: minute, h: 60 * minute }[value.slice(-1)] ?? 1440 * minute),
  )
const bytes = z
  .string()
  .regex(/^\d{1,9}[kMGT]?B?$/, { error: 'want a number and kB, MB, GB or TB, like "50GB"' })
  .transform((value) => {
    const [, number = '', unit = ''] = /^(\d+)(\w?)/.exec(value.replace(/B$/, '')) ?? []
    return Number(number) * 1000 ** Math.max(0, 'kMGT'.indexOf(unit || ' ') + 1)
  })
const file = z.strictObject({
  upstreams: z
    .array(
      z.strictObject({
        prefix: z.string().refine((value) => value === '' || isName(value), {
          error: 'want the beginning of repository names',
        }),
        registry: z
          .string()
          .regex(/^(\[[\da-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/, { error: 'want HOST[:PORT]' }),
        path: z
          .string()
          .refine((value) => value === '' || isName(value), {
            error: 'want the beginning of repository names',
          })
          .optional(),
        insecure: z.boolean().optional(),
        username: text.optional(),
        password: text.optional(),
        passwordFile: text.optional(),
        fresh: age.optional(),
      }),
    )
    .min(1)
    .max(1000),
  maxSize: bytes.optional(),
  maxUnused: age.optional(),
})

/** Reads the file that names the upstreams. Throws kind `invalid`; no error has a password in it. */
export async function readUpstreams(path: string): Promise<PullThroughSettings> {
  const fail = (why: string, cause?: unknown) =>
    new EngineError('invalid', `Cannot use the upstreams of ${path}: ${why}`, { cause })
  let content: unknown
  try {
    if ((await stat(path)).size > maxFile) throw new Error('it is larger than 1 MiB')
    content = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    // What JSON.parse says has a piece of the text in it.
    throw cause instanceof SyntaxError ? fail('it is not JSON') : fail(messageOf(cause), cause)
  }
  const found = file.safeParse(content)
  if (!found.success) {
    const [issue] = found.error.issues
    throw fail(`${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'invalid'}`)
  }
  const { upstreams, maxSize, maxUnused } = found.data
  if (upstreams.some((one) => one.password !== undefined)) await checkPrivate(path, fail)
  const prefixes = upstreams.map((one) => one.prefix)
  const twice = prefixes.find((prefix, index) => prefixes.indexOf(prefix) !== index)
  if (twice !== undefined) throw fail(`the prefix ${JSON.stringify(twice)} is there twice`)
  return {
    upstreams: await Promise.all(
      upstreams.map(async (one, index) => ({
        prefix: one.prefix,
        registry: one.registry,
        path: one.path ?? '',
        insecure: one.insecure ?? false,
        login: await loginOf(one, { where: `upstreams.${index}`, directory: dirname(path), fail }),
        fresh: one.fresh ?? 5 * minute,
      })),
    ),
    maxBytes: maxSize,
    maxUnused,
  }
}

type Fail = (why: string, cause?: unknown) => EngineError

async function loginOf(
  one: { username?: string | undefined; password?: string | undefined; passwordFile?: string | undefined },
  o: { where: string; directory: string; fail: Fail },
): Promise<UpstreamSettings['login']> {
  const { username, password, passwordFile } = one
  if (username === undefined && password === undefined && passwordFile === undefined) return undefined
  if (username === undefined || (password === undefined) === (passwordFile === undefined))
    throw o.fail(`${o.where}: want username with either password or passwordFile`)
  if (password !== undefined) return { username, password }
  const path = resolve(o.directory, passwordFile ?? '')
  try {
    await checkPrivate(path, o.fail)
    return { username, password: (await readFile(path, 'utf8')).trimEnd() }
  } catch (cause) {
    throw cause instanceof EngineError ? cause : o.fail(`${o.where}.passwordFile: ${messageOf(cause)}`, cause)
  }
}

async function checkPrivate(path: string, fail: Fail): Promise<void> {
  if (((await stat(path)).mode & 0o077) !== 0)
    throw fail(`${path} has a password in it, and others may read it: chmod 600 it`)
}
