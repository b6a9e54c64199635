/** pull, push. */
import { parseBool } from '../../lib/parse-bool.ts'
import {
  canonical,
  familiarName,
  parseReference,
  withDefaultTag,
  type Reference,
} from '../../lib/reference.ts'
import type { AuthConfig } from '../../wire/registry.ts'
import { command, ExitError, type Context } from '../command.ts'
import { Credentials } from '../credentials.ts'
import { bool, string } from '../flags.ts'
import { readPlatform } from '../platform-flag.ts'
import { showTransfer } from '../transfer-progress.ts'

export const pull = command({
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  arguments: [1, 1],
  flags: {
    'all-tags': bool('Download all tagged images in the repository', { short: 'a' }),
    'disable-content-trust': bool('Skip image verification', { initial: true }),
    platform: string('Set platform if server is multi-platform capable'),
    quiet: bool('Suppress verbose output', { short: 'q' }),
  },
  async run(context, flags, [name = '']) {
    refuseTrust(flags['disable-content-trust'])
    const reference = parseReference(name)
    if (flags['all-tags']) {
      if (reference.tag !== undefined || reference.digest !== undefined)
        throw new ExitError(1, "tag can't be used with --all-tags/-a")
    } else if (reference.tag === undefined && reference.digest === undefined && !flags.quiet)
      context.out('Using default tag: latest\n')
    await pullImage(context, reference, {
      allTags: flags['all-tags'],
      platform: flags.platform,
      quiet: flags.quiet,
      to: 1,
    })
    context.out(`${flags['all-tags'] ? `${reference.domain}/${reference.path}` : canonical(reference)}\n`)
  },
})

export const push = command({
  usage: '[OPTIONS] NAME[:TAG]',
  arguments: [1, 1],
  flags: {
    'all-tags': bool('Push all tags of an image to the repository', { short: 'a' }),
    'disable-content-trust': bool('Skip image signing', { initial: true }),
    platform: string(
      "Push a platform-specific manifest as a single-platform image to the registry.\nImage index won't be pushed, meaning that other manifests, including attestations won't be preserved.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
    ),
    quiet: bool('Suppress verbose output', { short: 'q' }),
  },
  async run(context, flags, [name = '']) {
    refuseTrust(flags['disable-content-trust'])
    const reference = parseReference(name)
    if (flags['all-tags'] && reference.tag !== undefined)
      throw new ExitError(1, "tag can't be used with --all-tags/-a")
    if (reference.digest !== undefined) throw new ExitError(1, 'cannot push a digest reference')
    const all = flags['all-tags']
    if (!all && reference.tag === undefined && !flags.quiet) context.out('Using default tag: latest\n')
    const notes: string[] = []
    const messages = context.client.registry.push(familiarName(reference), {
      tag: all ? undefined : (reference.tag ?? 'latest'),
      platform: readPlatform(flags.platform),
      auth: await authOf(context, reference),
    })
    await showTransfer(messages, {
      write: (text) => context.out(text),
      columns: await columnsOf(1),
      quiet: flags.quiet,
      aux: (value) => notes.push(...noteOf(value)),
    })
    if (!flags.quiet) for (const note of notes) context.out(note)
    // Docker: what scripts want to know is all that is left.
    if (flags.quiet) context.out(`${canonical(all ? reference : withDefaultTag(reference))}\n`)
  },
})

/** Docker's note of an index that could not go whole. */
function noteOf(aux: unknown): string[] {
  if (typeof aux !== 'object' || aux === null || !('ManifestPushedInsteadOfIndex' in aux)) return []
  const { OriginalIndex, SelectedManifest } = aux as Partial<Record<string, { digest?: string }>>
  return [
    '\n i Info → Not all multiplatform-content is present and only the available single-platform image was pushed\n',
    `          ${OriginalIndex?.digest ?? ''} -> ${SelectedManifest?.digest ?? ''}\n`,
  ]
}

/** Pulls through the daemon with our credentials; says how it goes unless `quiet`. Failed, an ExitError or the daemon's. */
export async function pullImage(
  context: Context,
  reference: Reference,
  o: { allTags?: boolean; platform: string; quiet: boolean; to: 1 | 2 },
): Promise<void> {
  const { tag, digest } = o.allTags ? { tag: undefined, digest: undefined } : withDefaultTag(reference)
  const messages = context.client.registry.pull(familiarName(reference), {
    tag: digest ?? tag,
    platform: o.platform || undefined,
    auth: await credentialsOf(context).getOrWarn(reference.domain, (text) => context.err(text)),
  })
  await showTransfer(messages, {
    write: (text) => (o.to === 1 ? context.out(text) : context.err(text)),
    columns: await columnsOf(o.to),
    quiet: o.quiet,
  })
}

export async function authOf(context: Context, reference: Reference): Promise<AuthConfig | undefined> {
  return await credentialsOf(context).get(reference.domain)
}

const credentialsOf = (context: Context) => Credentials.open(context.config.directory)

async function columnsOf(fd: 1 | 2): Promise<number | undefined> {
  const { isatty } = await import('node:tty')
  if (!isatty(fd)) return undefined
  const stream = fd === 1 ? process.stdout : process.stderr
  return stream.columns || 80
}

function refuseTrust(disabled: boolean): void {
  const wanted = process.env['DOCKER_CONTENT_TRUST'] ?? ''
  // Docker: a word that is neither yes nor no asks for trust.
  if (!disabled || (wanted !== '' && parseBool(wanted) !== false))
    throw new ExitError(1, 'image signing is not supported: content trust cannot be used')
}
