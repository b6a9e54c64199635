import { RootDir } from '../../host/root-dir.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { resolveUser } from '../../runtime/index.ts'
import type { Tree } from '../graph/tree.ts'
import type { WorkdirStep } from '../graph/works.ts'
import { cacheKey, type Work } from '../solver/vertex.ts'
import type { Tools } from './tools.ts'
import { makeLayer } from './workspace.ts'

/** WORKDIR: makes what is missing of the directory, 0755, owned by USER (as BuildKit does). */
export function workdirWork(tools: Tools, step: WorkdirStep): Work<Tree> {
  return {
    keys: [
      (_op, [base]) =>
        Promise.resolve(
          cacheKey({ op: 'workdir', base: base?.layers ?? [], path: step.path, user: step.user }),
        ),
    ],
    run: async (op, [base]) => {
      const result = await makeLayer(op, tools, {
        layers: base?.layers ?? [],
        change: (space) => {
          const user = resolveUser(space.root, step.user)
          using root = RootDir.open(space.root)
          const made = makeAll(root, step.path)
          if (user.uid !== 0 || user.gid !== 0) for (const path of made) root.chown(path, user)
          return Promise.resolve()
        },
      })
      return { result, cacheable: true }
    },
  }
}

function makeAll(root: RootDir, path: string): string[] {
  try {
    return root.mkdirAll(path, 0o755)
  } catch (cause) {
    if (!hasCode(cause, 'ENOTDIR', 'EEXIST')) throw cause
    throw new EngineError('invalid', `mkdir ${path}: not a directory`, { cause })
  }
}
