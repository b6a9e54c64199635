/** login, logout. */
import { command, ExitError, type Context } from '../command.ts'
import { Credentials, hubAddress, keyOf } from '../credentials.ts'
import { bool, string } from '../flags.ts'

const { isatty } = process.getBuiltinModule('node:tty')
const { spawnSync } = process.getBuiltinModule('node:child_process')

export const login = command({
  more: 'Defaults to Docker Hub if no server is specified.',
  usage: '[OPTIONS] [SERVER]',
  arguments: [0, 1],
  flags: {
    password: string('Password or Personal Access Token (PAT)', { short: 'p' }),
    'password-stdin': bool('Take the Password or Personal Access Token (PAT) from stdin'),
    username: string('Username', { short: 'u' }),
  },
  async run(context, flags, [server]) {
    let { username, password } = flags
    if (password !== '') {
      if (flags['password-stdin'])
        throw new ExitError(1, 'conflicting options: cannot specify both --password and --password-stdin')
      context.err('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n')
    }
    if (flags['password-stdin']) {
      if (username === '') throw new ExitError(1, 'the --password-stdin option requires --username to be set')
      const { text } = await import('node:stream/consumers')
      password = (await text(process.stdin)).replace(/\r?\n$/, '')
      if (password === '') throw new ExitError(1, 'password is empty')
    }
    const address = server === undefined || server === '' ? hubAddress : keyOf(server)
    const credentials = Credentials.open(context.config.directory)
    if (username === '' && password === '' && (await withKnown(context, address, credentials))) return
    if (username === '') username = await ask('Username: ')
    if (username === '') throw new ExitError(1, 'username is required')
    if (password === '') password = await ask('Password: ', { hidden: true })
    if (password === '') throw new ExitError(1, 'password is required')
    const auth = { username, password, serveraddress: address }
    const { Status, IdentityToken } = await context.client.registry.login(auth)
    await credentials.store(address, {
      ...auth,
      ...(IdentityToken !== '' && { identitytoken: IdentityToken }),
    })
    const path = credentials.plainPath(address)
    if (path !== undefined)
      context.err(
        `\nWARNING! Your credentials are stored unencrypted in '${path}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n`,
      )
    context.out(`${Status}\n`)
  },
})

/** Docker: credentials that are there and still good are enough. */
async function withKnown(context: Context, address: string, credentials: Credentials): Promise<boolean> {
  const known = await credentials.get(address)
  if (!known || (!known.password && !known.identitytoken)) return false
  const who = known.username === undefined ? '' : ` [Username: ${known.username}]`
  context.out(`Authenticating with existing credentials...${who}\n`)
  try {
    const { Status } = await context.client.registry.login({ ...known, serveraddress: address })
    context.out(
      `\ni Info → To login with a different account, run 'gantry logout' followed by 'gantry login'\n\n\n${Status}\n`,
    )
    return true
  } catch (error) {
    const { DaemonError } = await import('../../client/index.ts')
    if (!(error instanceof DaemonError) || error.status !== 401) throw error
    context.err('Login did not succeed, error: the stored credentials are not accepted any more\n')
    return false
  }
}

async function ask(prompt: string, o: { hidden?: boolean } = {}): Promise<string> {
  if (!isatty(0)) throw new ExitError(1, 'Error: Cannot perform an interactive login from a non TTY device')
  const { createInterface } = await import('node:readline/promises')
  process.stdout.write(prompt)
  using _echo = o.hidden ? withoutEcho() : undefined
  const lines = createInterface({ input: process.stdin, terminal: false })
  try {
    for await (const line of lines) return line.trim()
    return ''
  } finally {
    lines.close()
    if (o.hidden) process.stdout.write('\n')
  }
}

function withoutEcho(): Disposable {
  const stty = (word: string) => spawnSync('stty', [word], { stdio: ['inherit', 'ignore', 'ignore'] })
  const restore = () => void stty('echo')
  const interrupted = () => {
    restore()
    process.exit(130)
  }
  if (stty('-echo').status !== 0) throw new ExitError(1, 'the terminal cannot be told to hide what is typed')
  process.once('exit', restore)
  process.once('SIGINT', interrupted)
  return {
    [Symbol.dispose]: () => {
      restore()
      process.off('exit', restore)
      process.off('SIGINT', interrupted)
    },
  }
}

export const logout = command({
  more: 'If no server is specified, it is Docker Hub.',
  usage: '[SERVER]',
  arguments: [0, 1],
  flags: {},
  async run(context, _flags, [server]) {
    const address = server === undefined || server === '' ? hubAddress : keyOf(server)
    const credentials = Credentials.open(context.config.directory)
    if ((await credentials.get(address)) === undefined && !(await credentials.erase(address))) {
      context.out(`Not logged in to ${address}\n`)
      return
    }
    context.out(`Removing login credentials for ${address}\n`)
    await credentials.erase(address)
  },
})
