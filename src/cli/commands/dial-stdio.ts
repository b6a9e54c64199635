import { parseHost } from '../../client/index.ts'
import { command, ExitError } from '../command.ts'

const { connect } = process.getBuiltinModule('node:net')

/** What `ssh://` hosts run at the other end: standard input and output become a connection to the daemon. */
export const dialStdio = command({
  usage: '',
  arguments: [0, 0],
  flags: {},
  async run(context) {
    const host = parseHost(context.host)
    if (host.kind === 'ssh') throw new ExitError(1, 'dial-stdio is for the host where the daemon is')
    // Asked first: a daemon is started where there is none.
    await context.client.system.ping()
    const socket =
      host.kind === 'unix'
        ? connect({ path: host.path, allowHalfOpen: true })
        : connect({ host: host.hostname, port: host.port, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      // When the daemon has said all, nobody listens to what still comes in.
      socket.once('end', () => resolve())
      socket.once('close', () => resolve())
      socket.pipe(process.stdout)
      process.stdin.pipe(socket)
    })
  },
})
