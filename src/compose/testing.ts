/** Projects for tests, from the text of one Compose file. */
import { loadProject } from './load-project.ts'
import type { Project } from './model/project-model.ts'

export function projectOf(
  text: string,
  o: { folder?: string; environment?: Record<string, string>; envResolution?: boolean } = {},
): Project {
  const { folder = '/p', environment = {}, envResolution = false } = o
  const source = {
    files: [{ path: `${folder}/compose.yaml`, text }],
    folder,
    environment: new Map(Object.entries(environment)),
    sources: new Map(),
    name: 'p',
    profiles: [],
  }
  return loadProject(source, {
    interpolation: true,
    normalization: true,
    pathResolution: true,
    consistency: true,
    envResolution,
    warn: () => undefined,
  })
}
