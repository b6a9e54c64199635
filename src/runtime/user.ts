import { RootDir } from '../host/root-dir.ts'
import { EngineError, hasCode } from '../lib/errors.ts'

/** A user and groups as numbers, looked up in the container's own files. */
export interface ResolvedUser {
  readonly uid: number
  readonly gid: number
  readonly additionalGids: number[]
  readonly home: string
  readonly name: string
}

/** /etc/passwd and /etc/group of any real system are far smaller; what is longer is an attack. */
const maxFile = 16 << 20
const maxId = 2 ** 31 - 1

interface Passwd {
  name: string
  uid: number
  gid: number
  home: string
}
interface Group {
  name: string
  gid: number
  members: string[]
}

/**
 * Resolves `USER` as Docker does: empty is root, `name`, `uid`, `name:group`, `uid:gid` and mixtures. Names come from
 * the container's /etc/passwd and /etc/group, read without leaving `rootfs`; a number needs no entry. Without an explicit
 * group the user's supplementary groups apply. `groupAdd` are further groups, by name or number. Throws kind `invalid`.
 */
export function resolveUser(rootfs: string, spec: string, groupAdd: readonly string[] = []): ResolvedUser {
  using root = RootDir.open(rootfs)
  return lookUp(spec, groupAdd, {
    passwd: () => parsePasswd(read(root, 'etc/passwd')),
    group: () => parseGroup(read(root, 'etc/group')),
  })
}

/** The rules alone, on the files' content. */
export function lookUp(
  spec: string,
  groupAdd: readonly string[],
  files: { passwd: () => Passwd[]; group: () => Group[] },
): ResolvedUser {
  const separator = spec.indexOf(':')
  const userPart = separator < 0 ? spec : spec.slice(0, separator)
  const groupPart = separator < 0 ? '' : spec.slice(separator + 1)
  const passwd = files.passwd()
  const groups = files.group()
  const wanted = userPart === '' ? '0' : userPart
  const number = toId(wanted)
  const entry = passwd.find((p) => p.name === wanted) ?? passwd.find((p) => p.uid === number)
  if (!entry && number === undefined)
    throw new EngineError('invalid', `unable to find user ${wanted}: no matching entries in passwd file`)
  const uid = entry?.uid ?? number ?? 0
  const gid = groupPart === '' ? (entry?.gid ?? 0) : groupId(groupPart, groups)
  // Supplementary groups of a user whose group was named do not apply (Docker, as login does not).
  const supplementary =
    groupPart === '' && entry ? groups.filter((g) => g.members.includes(entry.name)).map((g) => g.gid) : []
  const added = groupAdd.map((name) => groupId(name, groups, 'Unable'))
  return {
    uid,
    gid,
    additionalGids: [...new Set([gid, ...supplementary, ...added])],
    home: entry?.home || '/',
    name: entry?.name ?? String(uid),
  }
}

/** Docker: the group of a user is `unable` to be found, one that is added is `Unable`. */
function groupId(name: string, groups: readonly Group[], unable = 'unable'): number {
  const number = toId(name)
  const gid = groups.find((g) => g.name === name)?.gid ?? number
  if (gid === undefined)
    throw new EngineError('invalid', `${unable} to find group ${name}: no matching entries in group file`)
  return gid
}

function toId(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined
  const id = Number(text)
  if (id < 0 || id > maxId) throw new EngineError('invalid', `uids and gids must be in range 0-${maxId}`)
  return id
}

export function parsePasswd(text: string): Passwd[] {
  return lines(text).flatMap(([name = '', , uid = '', gid = '', , home = '']) =>
    /^\d+$/.test(uid) && name !== '' ? [{ name, uid: Number(uid), gid: Number(gid) || 0, home }] : [],
  )
}

export function parseGroup(text: string): Group[] {
  return lines(text).flatMap(([name = '', , gid = '', members = '']) =>
    /^\d+$/.test(gid) && name !== ''
      ? [{ name, gid: Number(gid), members: members.split(',').filter(Boolean) }]
      : [],
  )
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
}

/** A missing file is an empty one: an image need not have any users. */
function read(root: RootDir, path: string): string {
  try {
    return root.readFile(path, maxFile).toString()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return ''
    throw error
  }
}
