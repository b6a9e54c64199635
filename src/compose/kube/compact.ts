type Loose<T> = { readonly [K in keyof T]: T[K] | undefined }

/** Without the keys that have nothing to say: undefined, empty lists and mappings. */
export function compact<T extends object>(fields: Loose<T>): T {
  const kept = Object.entries(fields).filter(([, value]) => !isEmpty(value))
  return Object.fromEntries(kept) as T // what was left out is optional in T, or the types of the caller are wrong
}

function isEmpty(value: unknown): boolean {
  if (value === undefined) return true
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
