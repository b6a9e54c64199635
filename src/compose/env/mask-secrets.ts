/** Values that are nobody's business on a screen: told by their name, or passwords in addresses. */

/** Words that make a name one of a secret, whatever stands around them. */
const telling = /passw(?:or)?d|passphrase|secret|credential|api_?key|private_?key|access_?key/i
/** Words that do so only on their own: `DB_PASS`, not `COMPASS`. */
const tellingAlone = /(?:_|-|\.|^)(?:auth|key|pass|pword|token|tokens)(?:_|-|\.|$)|_pwd$/i
/** What is told about a secret but is none itself: `POSTGRES_PASSWORD_FILE`, `PUBLIC_KEY`. */
const harmless = /(?:_|-|\.|^)public(?:_|-|\.|$)|_(?:file|path|version|length|count|ttl|age)$/i

export const masked = '********'

export function looksSecret(name: string): boolean {
  return !harmless.test(name) && (telling.test(name) || tellingAlone.test(name))
}

/** `names`: that of the variable, and of those its value is made of. */
export function maskSecrets(value: string, names: readonly string[]): string {
  if (value === '') return value
  if (names.some(looksSecret)) return masked
  return value.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/gi, `$1${masked}`)
}
