import { command } from '../command.ts'
import { indexFlag, serviceContainer } from '../compose/service-container.ts'
import { bool, string } from '../flags.ts'
import { attachTo } from './attach.ts'

export const composeAttach = command({
  usage: '[OPTIONS] SERVICE',
  flags: {
    'detach-keys': string('Override the key sequence for detaching from a container.'),
    index: indexFlag(),
    'no-stdin': bool('Do not attach STDIN'),
    'sig-proxy': bool('Proxy all received signals to the process', { initial: true }),
  },
  arguments: [1, 1],
  async run(context, options, [service = '']) {
    const { id } = await serviceContainer(context, service, { index: options.index })
    return await attachTo(context, id, {
      stdin: !options['no-stdin'],
      proxy: options['sig-proxy'],
      detachKeys: options['detach-keys'],
    })
  },
})
