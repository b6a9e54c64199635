import { EngineError } from '../../lib/errors.ts'

/** `80`, `80/udp`, `8000-8010/tcp` of EXPOSE → keys like `80/tcp`. Throws kind `invalid` with docker's text. */
export function parsePort(text: string): string[] {
  const slash = text.indexOf('/')
  const ports = slash < 0 ? text : text.slice(0, slash)
  const proto = (slash < 0 ? 'tcp' : text.slice(slash + 1)).toLowerCase() || 'tcp'
  if (!['tcp', 'udp', 'sctp'].includes(proto)) throw new EngineError('invalid', `invalid proto: ${proto}`)
  // Docker: a host part, as in `8080:80`, is read and means nothing here.
  const container = ports.slice(ports.lastIndexOf(':') + 1)
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(container)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  if (!match || last > 65_535 || first > last)
    throw new EngineError('invalid', `invalid containerPort: ${container}`)
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${proto}`)
}
