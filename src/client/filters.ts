/** Filters of list, prune and event calls: several values of one key mean any of them. */
export type Filters = Readonly<Record<string, readonly string[]>>

/** The `filters` query parameter, or nothing when there are none. */
export function encodeFilters(filters: Filters | undefined): string | undefined {
  if (filters === undefined || Object.keys(filters).length === 0) return undefined
  const encoded: Record<string, Record<string, true>> = {}
  for (const [key, values] of Object.entries(filters))
    encoded[key] = Object.fromEntries(values.map((value) => [value, true as const]))
  return JSON.stringify(encoded)
}
