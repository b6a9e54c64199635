import { apiVersion } from '../../wire/version.ts'
import type { VersionResponse } from '../../wire/system.ts'
import { command, ExitError } from '../command.ts'
import { inspectFormat } from '../common-flags.ts'
import { describeError } from '../errors.ts'
import { renderOne } from '../format.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

interface ClientVersion {
  readonly Platform: { readonly Name: string }
  readonly Version: string
  readonly ApiVersion: string
  readonly DefaultAPIVersion: string
  readonly NodeVersion: string
  readonly Os: string
  readonly Arch: string
  readonly Context: string
}

export async function clientVersion(): Promise<ClientVersion> {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
  return {
    Platform: { Name: 'Gantry' },
    Version: version,
    ApiVersion: apiVersion,
    DefaultAPIVersion: apiVersion,
    NodeVersion: process.version,
    Os: process.platform,
    Arch: architectures[process.arch] ?? process.arch,
    Context: 'default',
  }
}

export async function versionLine(): Promise<string> {
  return `Gantry version ${(await clientVersion()).Version}`
}

export const version = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { format: inspectFormat() },
  async run(context, flags) {
    const client = await clientVersion()
    let server: VersionResponse | null = null
    let failure: unknown
    try {
      server = await context.client.system.version()
    } catch (error) {
      failure = error
    }
    const data = { Client: client, Server: server }
    try {
      context.out(flags.format === '' ? describe(client, server) : await render(flags.format, data))
    } catch (error) {
      if (failure === undefined) throw error
      // Docker: a template that wants the daemon's gives an empty line.
      context.out('\n')
    }
    // Docker: what is known of the client is printed, and the failure decides the exit code.
    if (failure !== undefined) throw new ExitError(1, describeError(failure))
  },
})

async function render(format: string, data: object): Promise<string> {
  if (format === 'json') return `${JSON.stringify(data)}\n`
  return renderOne(format, data, { typeName: 'system.versionInfo', name: 'version' })
}

function describe(client: ClientVersion, server: VersionResponse | null): string {
  const rows: string[][] = [
    ['Client:', client.Platform.Name],
    [' Version:', client.Version],
    [' API version:', client.ApiVersion],
    [' Node version:', client.NodeVersion],
    [' OS/Arch:', `${client.Os}/${client.Arch}`],
    [' Context:', client.Context],
  ]
  let text = alignPairs(rows)
  if (!server) return text
  text += `\nServer: ${server.Platform.Name}\n`
  for (const component of server.Components ?? []) {
    const details = component.Details ?? {}
    const lines: string[][] = [[` ${component.Name}:`], ['  Version:', component.Version]]
    for (const [key, value] of Object.entries(details))
      if (value !== '') lines.push([`  ${labels[key] ?? key}:`, detailText(key, value, details)])
    text += alignPairs(lines.filter((line) => line.length > 0))
  }
  return text
}

const labels: Readonly<Record<string, string>> = {
  ApiVersion: 'API version',
  Arch: 'OS/Arch',
  BuildTime: 'Built',
  GitCommit: 'Git commit',
  GoVersion: 'Go version',
  KernelVersion: 'Kernel version',
  MinAPIVersion: 'Minimum API version',
  Os: 'OS',
}

function detailText(key: string, value: string, details: Readonly<Record<string, string>>): string {
  return key === 'Arch' && details['Os'] ? `${details['Os']}/${value}` : value
}

function alignPairs(rows: readonly string[][]): string {
  const width = Math.max(20, ...rows.map((row) => (row[0]?.length ?? 0) + 1))
  return rows
    .map(([name = '', value]) => (value === undefined ? `${name}\n` : `${name.padEnd(width)}${value}\n`))
    .join('')
}
