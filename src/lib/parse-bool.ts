const words: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const),
])

/**
 * A switch as docker's flags, options, attributes and variables write it: the words of Go's strconv.ParseBool, case and all.
 * Undefined for what is none of them, `''` too; what clients are told then is another text everywhere.
 */
export function parseBool(text: string): boolean | undefined {
  return words.get(text)
}
