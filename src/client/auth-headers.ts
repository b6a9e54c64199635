import type { AuthConfig } from '../wire/registry.ts'

/** Credentials for the one registry that a call is about. */
export function authHeader(auth: AuthConfig | undefined): Record<string, string> {
  return auth ? { 'X-Registry-Auth': encode(auth) } : {}
}

/** Credentials for any registry that a build may meet, by address. */
export function credentialsHeader(
  credentials: Readonly<Record<string, AuthConfig>> | undefined,
): Record<string, string> {
  const some = credentials && Object.keys(credentials).length > 0
  return some ? { 'X-Registry-Config': encode(credentials) } : {}
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
