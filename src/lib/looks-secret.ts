/** Docker's words for names that hold secrets (build check SecretsUsedInArgOrEnv), as parts between underscores. */
const secretName =
  /(?:^|[_.-])(?:api_?key|auth|credentials?|key|pass|pword|tokens?)(?:$|[_.-])|[_.-]pwd(?:$|[_.-])/i
/** Words that tell, whatever they are grown together with: `PGPASSWORD`, `apiKey`. */
const secretWord = /passw(?:or)?d|passphrase|secret|api_?key|private_?key|access_?key/i
/** What is said about a secret and is none: `POSTGRES_PASSWORD_FILE`, `PUBLIC_KEY`. */
const harmlessName = /(?:^|[_.-])public(?:$|[_.-])|[_.-](?:file|path|version|length|ttl)$/i

/** Values that are credentials whatever they are called. */
const secretValue = new RegExp(
  [
    '-----BEGIN [A-Z ]*PRIVATE KEY',
    '\\bgh[pousr]_[A-Za-z0-9]{20,}',
    '\\bgithub_pat_\\w{20,}',
    '\\bglpat-[\\w-]{16,}',
    '\\b(?:AKIA|ASIA)[A-Z0-9]{16}\\b',
    '\\bxox[abprs]-[\\w-]{10,}',
    '\\bsk[-_][\\w-]{20,}',
    '\\beyJ[\\w-]{10,}\\.[\\w-]{10,}\\.',
    // user:password@ in a URL
    '://[^/\\s:@]*:[^/\\s@]+@',
  ].join('|'),
)

/** Whether a variable's value is better not shown: its name says so, or the value has the form of a credential. */
export function looksSecret(name: string, value = ''): boolean {
  return (
    ((secretName.test(name) || secretWord.test(name)) && !harmlessName.test(name)) || secretValue.test(value)
  )
}
