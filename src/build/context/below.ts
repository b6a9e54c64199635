/**
 * A pattern for what matches `pattern` below `directory`, `**` included, links not followed: a directory that matches is
 * taken with all that is in it, and those above it come along.
 */
export function below(directory: string, pattern: string): string {
  return `${directory}\0${pattern}`
}

/** Its two parts; one alone for any other pattern. */
export function splitBelow(pattern: string): string[] {
  return pattern.split('\0')
}
