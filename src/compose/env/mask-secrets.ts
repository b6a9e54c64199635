import { looksSecret } from '../../lib/looks-secret.ts'

export const masked = '********'

/** For a screen. `names`: that of the variable, and of those its value is made of. Of an address only the password is hidden. */
export function maskSecrets(value: string, names: readonly string[]): string {
  if (value === '') return value
  if (names.some((name) => looksSecret(name))) return masked
  const shown = value.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/gi, '$1*')
  return looksSecret('', shown.replaceAll(/:\*@/g, '@')) ? masked : shown.replaceAll(':*@', `:${masked}@`)
}
