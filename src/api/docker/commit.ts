/** `POST /commit`: an image of a container. */
import { applyChanges } from '../../build/index.ts'
import { committedConfig } from '../../container/index.ts'
import type { Engine } from '../../engine/index.ts'
import { decode, readJson } from './body.ts'
import { sendJson } from './respond.ts'
import type { Call, Route } from './route.ts'
import { config } from './schema.ts'

export function commitRoutes({ containers }: Pick<Engine, 'containers'>): Route[] {
  const commit = async (call: Call) => {
    const { query } = call
    const c = containers.find(query.text('container'))
    const given = decode(config, (await readJson(call.request)) ?? {})
    const lines = query.all('changes').flatMap((text) => text.split('\n'))
    const changed = await applyChanges(
      call.op,
      committedConfig(c.config, given),
      lines.filter((line) => line.trim() !== ''),
    )
    const repository = query.text('repo')
    const tag = query.text('tag')
    const image = await containers.commit(call.op, c.id, {
      config: changed,
      // Docker: unless told otherwise.
      pause: query.flag('pause', { fallback: true }),
      author: query.text('author'),
      comment: query.text('comment'),
      ...(repository !== '' && { ref: tag === '' ? repository : `${repository}:${tag}` }),
    })
    sendJson(call.response, { Id: image.id }, 201)
  }
  return [{ method: 'POST', path: '/commit', handler: commit }]
}
