import { cleanPath, type IgnorePattern } from '../../lib/ignore.ts'

/** `!` makes an exception, as in `.dockerignore`. Throws kind `invalid` for a pattern that cannot be read. */
export function excludePatterns(texts: readonly string[]): IgnorePattern[] {
  const patterns = texts.map((text) => {
    const exception = text.startsWith('!')
    return { pattern: cleanPath(`/${exception ? text.slice(1) : text}`).slice(1), exception, line: 0 }
  })
  return patterns.filter(({ pattern }) => pattern !== '')
}
