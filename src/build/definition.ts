import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, isAbsolute } from 'node:path'
import { RootDir } from '../host/root-dir.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { cleanPath, IgnoreMatcher, parseIgnore, type IgnorePattern } from '../lib/ignore.ts'

/** No Dockerfile written by people comes near it. */
const maxSize = 16 << 20

/** The Dockerfile's text: given, from the host (an absolute path) or from the context. */
export async function readDockerfile(o: {
  root: string
  path: string
  text?: string
  hostPaths: boolean
}): Promise<{ name: string; text: string }> {
  const text = o.text ?? (await readText(o))
  if (text === '') throw new EngineError('invalid', 'the Dockerfile cannot be empty')
  return { name: basename(o.path) || 'Dockerfile', text }
}

async function readText(o: { root: string; path: string; hostPaths: boolean }): Promise<string> {
  try {
    if (isAbsolute(o.path) && o.hostPaths) return await readFile(o.path, 'utf8')
    using root = RootDir.open(o.root)
    return root.readFile(o.path, maxSize).toString()
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR'))
      throw new EngineError(
        'not-found',
        `failed to read dockerfile: open ${o.path}: no such file or directory`,
        { cause },
      )
    throw new EngineError('invalid', `failed to read dockerfile: ${messageOf(cause)}`, { cause })
  }
}

/** Patterns of `NAME.dockerignore` beside the Dockerfile, else of `.dockerignore` at the context's root. */
export function readIgnore(root: string, dockerfile: string): IgnorePattern[] {
  using tree = RootDir.open(root)
  for (const path of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    if (isAbsolute(path)) {
      const text = readIfThere(() => readFileSync(path, 'utf8'))
      if (text !== undefined) return parseIgnore(text)
      continue
    }
    const text = readIfThere(() => tree.readFile(path, maxSize).toString())
    if (text !== undefined) return parseIgnore(text)
  }
  return []
}

/** The name under which the command line sends a Dockerfile that is not in the context. */
const sentDockerfile = '.dockerfile.gantry'

/** Docker: the Dockerfile and the ignore file are sent in any case; what is ignored of these two is no part of the context. */
export function ignoreOfArchive(root: string, dockerfile: string): IgnorePattern[] {
  const matcher = new IgnoreMatcher(readIgnore(root, dockerfile))
  const literal = (path: string) => path.replace(/[*?[\]\\]/g, '\\$&')
  const own = [cleanPath(`/${dockerfile}`).slice(1), '.dockerignore'].flatMap((path) => {
    const reason = matcher.reason(path)
    return reason ? [{ pattern: literal(path), exception: false, line: reason.line }] : []
  })
  return [...own, { pattern: sentDockerfile, exception: false, line: 0 }]
}

function readIfThere(read: () => string): string | undefined {
  try {
    return read()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}
