import type { Project } from './model/project-model.ts'
import type { Service } from './model/service-model.ts'

/** Docker: an image without a name is called after project and service. */
export function imageOf(
  project: Pick<Project, 'name' | 'separator'>,
  service: string,
  { image }: Pick<Service, 'image'>,
): string {
  return image === '' ? `${project.name}${project.separator}${service}` : image
}
