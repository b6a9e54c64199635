import { EngineError } from '../../lib/errors.ts'
import { command } from '../command.ts'
import { indexFlag, serviceContainer } from '../compose/service-container.ts'
import { string } from '../flags.ts'

export const composePort = command({
  usage: '[OPTIONS] SERVICE PRIVATE_PORT',
  flags: {
    index: indexFlag(),
    protocol: string('tcp or udp', { initial: 'tcp' }),
  },
  arguments: [2, 2],
  async run(context, options, [service = '', asked = '']) {
    if (!/^\d+$/.test(asked) || Number(asked) > 65_535)
      throw new EngineError('invalid', `${JSON.stringify(asked)} is no port`)
    const { name, summary } = await serviceContainer(context, service, { index: options.index })
    const protocol = options.protocol.toLowerCase()
    const found = (summary.Ports ?? []).find(
      (each) => each.PrivatePort === Number(asked) && each.Type === protocol && each.PublicPort !== undefined,
    )
    if (!found) {
      const known = (summary.Ports ?? []).map(
        ({ PublicPort, PrivatePort, Type }) =>
          `${PublicPort === undefined ? '' : `${PublicPort}->`}${PrivatePort}/${Type}`,
      )
      throw new EngineError(
        'not-found',
        `no port ${asked}/${protocol} for container ${name}: ${known.join(', ')}`,
      )
    }
    const { IP = '', PublicPort } = found
    context.out(`${IP.includes(':') ? `[${IP}]` : IP}:${PublicPort}\n`)
  },
})
