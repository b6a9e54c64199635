import type { Engine } from '../../engine/index.ts'
import type { BuildKit } from '../buildkit/index.ts'
import type { Route } from './route.ts'

/** BuildKit's API, over connections that become HTTP/2. */
export function buildkitRoutes(
  engine: Pick<Engine, 'builder' | 'config' | 'images' | 'networks' | 'removeImage'>,
): Route[] {
  let made: Promise<BuildKit> | undefined
  // Loaded by the first client that wants it: HTTP/2 and protocol buffers take a while.
  const load = () => (made ??= import('../buildkit/index.ts').then((module) => new module.BuildKit(engine)))
  return [
    {
      method: 'POST',
      path: '/grpc',
      http2: async (call) => await (await load()).serve(call.op, call.accept()),
    },
    {
      method: 'POST',
      path: '/session',
      http2: async (call) => await (await load()).serveSession(call.op, call.accept(), call.request.headers),
    },
  ]
}
