/** A new 256-bit id in 64 hex digits, never all-decimal in its first 12 (Docker: a short id must not read as a number). */
export function newId(): string {
  // Loaded here: the command line wants short ids alone, and starts faster without.
  const { randomBytes } = process.getBuiltinModule('node:crypto')
  for (;;) {
    const id = randomBytes(32).toString('hex')
    if (!/^\d{12}/.test(id)) return id
  }
}

/** The 12 digits that people see. Accepts `sha256:…` too. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12)
}
