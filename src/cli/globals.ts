/** Flags before the command. */
import { bool, list, string, value } from './flags.ts'

const configHome = process.env['DOCKER_CONFIG'] || `${process.env['HOME'] ?? ''}/.docker`

export const globals = {
  config: string('Location of client config files', { initial: configHome }),
  context: string('Name of the context to use to connect to the daemon', { short: 'c' }),
  debug: bool('Enable debug mode: print each request to the daemon with its time', { short: 'D' }),
  host: list('Daemon socket to connect to', { short: 'H' }),
  'log-level': value(
    'string',
    'Set the logging level ("debug", "info", "warn", "error", "fatal")',
    'info',
    (text) => {
      if (!['debug', 'info', 'warn', 'error', 'fatal'].includes(text))
        throw new Error(`Unable to parse logging level: ${text}`)
      return text
    },
    { short: 'l', shown: '"info"' },
  ),
  tls: bool('Use TLS; implied by --tlsverify'),
  tlscacert: string('Trust certs signed only by this CA', { shown: JSON.stringify(`${configHome}/ca.pem`) }),
  tlscert: string('Path to TLS certificate file', { shown: JSON.stringify(`${configHome}/cert.pem`) }),
  tlskey: string('Path to TLS key file', { shown: JSON.stringify(`${configHome}/key.pem`) }),
  tlsverify: bool('Use TLS and verify the remote'),
  version: bool('Print version information and quit', { short: 'v' }),
}
