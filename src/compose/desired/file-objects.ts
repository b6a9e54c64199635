/**
 * Configs and secrets of a service. A file that is wanted as it is gets mounted; what has no file (`content`, `environment`), or is
 * wanted with an owner or rights of its own, is written into the container before it starts.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { FileObject, Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'

interface Named {
  readonly project: Project
  readonly name: string
}

interface Reference {
  /** `secret "token"`. */
  readonly what: string
  readonly target: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
  /** Owner or rights are asked for. */
  readonly special: boolean
  readonly object: FileObject
}

export interface WrittenFile {
  readonly target: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly content: Buffer
}

export function mountedFiles(service: Service, o: Named): { source: string; target: string; what: string }[] {
  return references(service, o)
    .filter(isMounted)
    .map(({ object, target, what }) => ({ source: object.file, target, what }))
}

/** Read when they are needed: secrets are kept no longer than that. */
export function writtenFiles(service: Service, o: Named): WrittenFile[] {
  const written = references(service, o).filter((reference) => !isMounted(reference))
  const [first] = written
  if (first && service.read_only)
    throw new EngineError(
      'unsupported',
      `cannot create ${first.what} in read-only service ${o.name}: \`file\` without uid, gid and mode is the sole supported option`,
    )
  return written.map((reference) => {
    const { target, uid, gid, mode } = reference
    return { target, uid, gid, mode, content: contentOf(reference, o.project) }
  })
}

/** Of a label: enough to see that a file is another one, and too little to guess a good secret by. */
export function filesText(files: readonly WrittenFile[]): string {
  return JSON.stringify(
    Object.fromEntries(
      files.map(({ target, uid, gid, mode, content }) => [
        target,
        createHash('sha256')
          .update(`${target}\0${uid}:${gid}:${mode}\0`)
          .update(content)
          .digest('hex')
          .slice(0, 8),
      ]),
    ),
  )
}

/** Paths of files that are not what the label says of them; none where it says nothing. */
export function changedFiles(before: string, files: readonly WrittenFile[]): string[] {
  let known: unknown
  try {
    known = JSON.parse(before)
  } catch {
    // Anyone can write labels: one that we did not is as good as none.
    return []
  }
  if (typeof known !== 'object' || known === null) return []
  const old = known as Readonly<Record<string, unknown>>
  const now = JSON.parse(filesText(files)) as Readonly<Record<string, string>> // as it was just written
  return Object.keys(now).filter((target) => old[target] !== now[target])
}

function isMounted({ object, special }: Reference): boolean {
  return object.file !== '' && !special
}

function references(service: Service, { project, name }: Named): Reference[] {
  const read = (kind: 'secret' | 'config', folder: string) => (each: Service['secrets'][number]) => {
    const what = `${kind} "${each.source}"`
    const object = (kind === 'secret' ? project.secrets : project.configs).get(each.source)
    if (!object)
      throw new EngineError('invalid', `service "${name}" refers to undefined ${kind} ${each.source}`)
    refuse(object, kind, what)
    const target = each.target === '' ? each.source : each.target
    return {
      what,
      target: target.startsWith('/') ? target : `${folder}${target}`,
      uid: numberOf(each.uid, `${what}: uid`),
      gid: numberOf(each.gid, `${what}: gid`),
      mode: each.mode ?? 0o444,
      special: each.uid !== '' || each.gid !== '' || each.mode !== undefined,
      object,
    }
  }
  return [
    ...service.secrets.map(read('secret', '/run/secrets/')),
    ...service.configs.map(read('config', '/')),
  ]
}

function refuse(object: FileObject, kind: string, what: string): void {
  if (object.external) throw new EngineError('unsupported', `unsupported external ${what}: Swarm keeps those`)
  if (object.driver !== '')
    throw new EngineError('unsupported', `unsupported driver of ${what}: Swarm has those`)
  if (object.template_driver !== '')
    throw new EngineError(
      'unsupported',
      `unsupported template_driver of ${what}: a ${kind} is taken as it is`,
    )
}

function numberOf(text: string, what: string): number {
  if (text === '') return 0
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new EngineError('invalid', `${what} must be a number, not ${JSON.stringify(text)}`)
}

function contentOf({ object, what }: Reference, { environment }: Project): Buffer {
  if (object.file !== '')
    try {
      return readFileSync(object.file)
    } catch (error) {
      throw new EngineError('not-found', `${what}: ${messageOf(error)}`, { cause: error })
    }
  if (object.environment === '') return Buffer.from(object.content)
  const value = environment.get(object.environment)
  if (value === undefined)
    throw new EngineError('invalid', `${what}: environment variable "${object.environment}" is not set`)
  return Buffer.from(value)
}
