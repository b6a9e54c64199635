import { basename, dirname } from 'node:path'
import { EngineError } from '../../lib/errors.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import type { BuildRequest } from '../../build/index.ts'
import type { Attrs } from './attrs.ts'
import { readFiles, syncSource } from './file-sync.ts'
import type { Session } from './session.ts'
import { uploadOf } from './session-services.ts'

/** A directory that a session offers under a name. */
export interface Directory {
  readonly session: Session
  readonly name: string
}

/** A client's session, and whose of its sessions offers a directory: builds at once share what they have in common. */
export interface Directories {
  readonly session: Session
  directory(name: string): Promise<Directory>
}

type Input = Pick<BuildRequest, 'context' | 'dockerfile' | 'dockerfileText' | 'ignoreText'>

/** Where the context is, and the Dockerfile’s text unless it is in a context that is fetched from elsewhere. */
export async function readInput(op: Op, attrs: Attrs, o: Directories): Promise<Input> {
  const dockerfile = attrs.take('filename') ?? 'Dockerfile'
  const url = attrs.take('context')
  const contextName = attrs.take('contextkey') ?? 'context'
  const givenName = attrs.take('dockerfilekey')
  if (url !== undefined) {
    const upload = /^https?:\/\/buildkit-session\//.test(url)
    const context = upload
      ? ({ kind: 'tar', stream: uploadOf(op, o.session, new URL(url)) } as const)
      : ({ kind: 'remote', url } as const)
    if (givenName === undefined) return { context, dockerfile }
    return { context, dockerfile, ...(await readDockerfile(op, dockerfile, await o.directory(givenName))) }
  }
  const [definitions, context] = [
    await o.directory(givenName ?? 'dockerfile'),
    await o.directory(contextName),
  ]
  const [definition, ignore] = await group(op, [
    (inner) => readDockerfile(inner, dockerfile, definitions),
    (inner) => readIgnore(inner, context),
  ])
  return {
    context: { kind: 'synced', source: syncSource(context.session, context.name) },
    dockerfile,
    dockerfileText: definition?.dockerfileText ?? '',
    ignoreText: definition?.ignoreText ?? ignore?.ignoreText ?? '',
  }
}

interface Definition {
  readonly dockerfileText?: string
  readonly ignoreText?: string
}

/** The Dockerfile and the ignore file of its own. */
async function readDockerfile(op: Op, dockerfile: string, from: Directory): Promise<Definition> {
  const paths = [dockerfile, `${dockerfile}.dockerignore`]
  // Docker: `dockerfile` serves where `Dockerfile` is asked for.
  const lower = `${dirname(dockerfile)}/dockerfile`.replace(/^\.\//, '')
  if (basename(dockerfile) === 'Dockerfile') paths.push(lower)
  const tree = await readFiles(op, from.session, { name: from.name, paths })
  const dockerfileText = tree.text(dockerfile) ?? tree.text(lower)
  if (dockerfileText === undefined)
    throw new EngineError(
      'not-found',
      `failed to read dockerfile: open ${dockerfile}: no such file or directory`,
    )
  const ignoreText = tree.text(`${dockerfile}.dockerignore`)
  return { dockerfileText, ...(ignoreText !== undefined && { ignoreText }) }
}

async function readIgnore(op: Op, from: Directory): Promise<Definition> {
  const path = '.dockerignore'
  const ignoreText = (await readFiles(op, from.session, { name: from.name, paths: [path] })).text(path)
  return ignoreText === undefined ? {} : { ignoreText }
}
