import { basename, dirname } from 'node:path'
import { EngineError } from '../../lib/errors.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import type { BuildRequest } from '../../build/index.ts'
import type { Attrs } from './attrs.ts'
import { readFiles, syncSource } from './file-sync.ts'
import type { Session } from './session.ts'
import { uploadOf } from './session-services.ts'

type Input = Pick<BuildRequest, 'context' | 'dockerfile' | 'dockerfileText' | 'ignoreText'>

/** Where the context is, and the Dockerfile’s text unless it is in a context that is fetched from elsewhere. */
export async function readInput(op: Op, attrs: Attrs, session: Session): Promise<Input> {
  const dockerfile = attrs.take('filename') ?? 'Dockerfile'
  const url = attrs.take('context')
  const contextName = attrs.take('contextkey') ?? 'context'
  const givenName = attrs.take('dockerfilekey')
  const named = { op, session, dockerfile }
  if (url !== undefined) {
    const upload = /^https?:\/\/buildkit-session\//.test(url)
    const context = upload
      ? ({ kind: 'tar', stream: uploadOf(op, session, new URL(url)) } as const)
      : ({ kind: 'remote', url } as const)
    if (givenName === undefined) return { context, dockerfile }
    return { context, dockerfile, ...(await readDockerfile({ ...named, directory: givenName })) }
  }
  const [definition, ignore] = await group(op, [
    (inner) => readDockerfile({ ...named, op: inner, directory: givenName ?? 'dockerfile' }),
    (inner) => readIgnore({ op: inner, session, directory: contextName }),
  ])
  return {
    context: { kind: 'synced', source: syncSource(session, contextName) },
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
async function readDockerfile(o: {
  op: Op
  session: Session
  directory: string
  dockerfile: string
}): Promise<Definition> {
  const { op, session, directory, dockerfile } = o
  const paths = [dockerfile, `${dockerfile}.dockerignore`]
  // Docker: `dockerfile` serves where `Dockerfile` is asked for.
  const lower = `${dirname(dockerfile)}/dockerfile`.replace(/^\.\//, '')
  if (basename(dockerfile) === 'Dockerfile') paths.push(lower)
  const tree = await readFiles(op, session, { name: directory, paths })
  const dockerfileText = tree.text(dockerfile) ?? tree.text(lower)
  if (dockerfileText === undefined)
    throw new EngineError(
      'not-found',
      `failed to read dockerfile: open ${dockerfile}: no such file or directory`,
    )
  const ignoreText = tree.text(`${dockerfile}.dockerignore`)
  return { dockerfileText, ...(ignoreText !== undefined && { ignoreText }) }
}

async function readIgnore(o: { op: Op; session: Session; directory: string }): Promise<Definition> {
  const name = '.dockerignore'
  const ignoreText = (await readFiles(o.op, o.session, { name: o.directory, paths: [name] })).text(name)
  return ignoreText === undefined ? {} : { ignoreText }
}
