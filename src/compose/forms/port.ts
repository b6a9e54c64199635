/** `[HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]`, each with ranges, as docker takes ports apart (go-connections/nat). */
import { isIP } from 'node:net'
import { ComposeError, mapping, scalar, type Mapping, type Place } from '../node.ts'

/** The long forms, one for each container port, in docker's order: by the text of `PORT/PROTOCOL`. */
export function parsePorts(text: string, at: Place): Mapping[] {
  const [range = '', protocol = 'tcp', ...more] = text.split('/')
  const refuse = (why: string) => new ComposeError(at, why)
  if (more.length > 0 || range === '') throw refuse(`invalid port: ${JSON.stringify(text)}`)
  const { ip, published, target } = parts(range)
  const hostIp = ip.replace(/^\[(.*)\]$/, '$1')
  if (hostIp !== '' && isIP(hostIp) === 0) throw refuse(`Invalid ip address: ${hostIp}`)
  if (target === '') throw refuse(`No port specified: ${text}<empty>`)
  const inside = portRange(target) ?? fail(refuse(`Invalid containerPort: ${target}`))
  const outside =
    published === '' ? undefined : (portRange(published) ?? fail(refuse(`Invalid hostPort: ${published}`)))
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) throw refuse(`Invalid proto: ${protocol}`)
  const count = inside.last - inside.first
  if (outside && outside.last - outside.first !== count && count !== 0)
    throw refuse(`Invalid ranges specified for container and host Ports: ${target} and ${published}`)
  const ports = Array.from({ length: count + 1 }, (_, index) => inside.first + index)
  return ports
    .toSorted((a, b) => (String(a) < String(b) ? -1 : 1))
    .map((port) =>
      mapping(
        [
          ['mode', scalar('ingress', at)],
          ['host_ip', hostIp === '' ? undefined : scalar(hostIp, at)],
          ['target', scalar(port, at)],
          ['published', outside && scalar(hostPort(outside, port - inside.first, count), at)],
          ['protocol', scalar(protocol.toLowerCase(), at)],
        ],
        at,
      ),
    )
}

interface Range {
  readonly first: number
  readonly last: number
}

function parts(range: string): { ip: string; published: string; target: string } {
  const all = range.split(':')
  const target = all.pop() ?? ''
  const published = all.pop() ?? ''
  return { ip: all.join(':'), published, target }
}

function portRange(text: string): Range | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  return match && last <= 65_535 && first <= last ? { first, last } : undefined
}

/** One container port for several of the host: the engine picks among them. */
function hostPort({ first, last }: Range, offset: number, count: number): string {
  return count === 0 && first !== last ? `${first}-${last}` : String(first + offset)
}

function fail(error: Error): never {
  throw error
}
