/** `/containers/:id/archive`: files of a container, as `docker cp` and compose use them. */
import type { PathStat } from '../../container/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { modeOf } from '../../wire/go-file-mode.ts'
import { pathStatHeader, type ContainerPathStat } from '../../wire/path-stat.ts'
import { sendEmpty, sendStream } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<Engine, 'containers'>

export function archiveRoutes({ containers }: Deps): Route[] {
  const path = '/containers/:id/archive'
  return [
    {
      method: 'HEAD',
      path,
      handler: async (call) => {
        const stat = await containers.statPath(call.op, idOf(call), pathOf(call))
        call.response.setHeader(pathStatHeader, encode(stat))
        sendEmpty(call.response, 200)
      },
    },
    {
      method: 'GET',
      path,
      handler: async (call) => {
        const { stat, tar } = await containers.archivePath(call.op, idOf(call), pathOf(call))
        call.response.setHeader(pathStatHeader, encode(stat))
        await sendStream(call, tar, 'application/x-tar')
      },
    },
    {
      method: 'PUT',
      path,
      handler: async (call) => {
        await containers.extractTo(call.op, idOf(call), {
          path: pathOf(call),
          source: call.request,
          keepKinds: call.query.flag('noOverwriteDirNonDir'),
          asUser: call.query.flag('copyUIDGID'),
        })
        sendEmpty(call.response, 200)
      },
    },
  ]
}

const idOf = (call: Call) => call.params['id'] ?? ''

function pathOf({ query }: Call): string {
  const path = query.text('path')
  if (path === '') throw new EngineError('invalid', "bad parameter: 'path' cannot be empty")
  if (path.includes('\0')) throw new EngineError('invalid', 'bad parameter: the path contains a NUL byte')
  return path
}

/** JSON in base64. */
function encode(stat: PathStat): string {
  const body: ContainerPathStat = {
    name: stat.name,
    size: stat.size,
    mode: modeOf(stat.kind, stat.permissions),
    mtime: timeText(stat.mtime),
    linkTarget: stat.linkTarget,
  }
  return Buffer.from(JSON.stringify(body)).toString('base64')
}

/** RFC 3339 with as many decimals as there are. */
function timeText({ sec, nsec }: PathStat['mtime']): string {
  const decimals = String(nsec).padStart(9, '0').replace(/0+$/, '')
  return `${new Date(sec * 1000).toISOString().slice(0, 19)}${decimals === '' ? '' : `.${decimals}`}Z`
}
