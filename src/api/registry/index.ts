/**
 * The OCI distribution API over `src/distribution`: routes and answers (server.ts), who may do what (access.ts and what implements
 * it), and what surrounds a server: limits on clients, health, metrics, tokens. Entered by itself, so that a registry's own
 * process loads no engine.
 */
export { openAccess, readOnly, type Access, type Identity } from './access.ts'
export { BasicAccess, identityOf, type Allowance } from './basic-access.ts'
export { parseHtpasswd, Passwords } from './htpasswd.ts'
export { registryHttpServer, renewIdentity, type RegistryIdentity } from './http-server.ts'
export { RegistryMetrics } from './metrics.ts'
export { Pages } from './pages.ts'
export { parseRights, usersOnly } from './rights.ts'
export { RegistryApi, type Observation, type RegistryApiOptions } from './server.ts'
export { SlowClients } from './slow-clients.ts'
export { TokenAccess } from './token-access.ts'
export { TokenEndpoint } from './token-endpoint.ts'
export { TokenIssuer } from './token-issuer.ts'
export { parseTokenKeys } from './token-keys.ts'
