/**
 * BuildKit's API, so that `docker build`, buildx and compose build here as they are. A client opens two connections, both
 * HTTP/2 after an upgrade: on `/grpc` it is the caller (Control, and the gateway for what it runs of a build itself), on
 * `/session` we are, and it offers its files, secrets and agents. Everything ends in `Builder.build`.
 */
export { BuildKit } from './buildkit.ts'
