import type { ObservedContainer } from '../../compose/index.ts'

/** Docker compose: `web-1`; a container that the file gives a name keeps it. */
export function shownName(
  project: string,
  { name, service, number }: Pick<ObservedContainer, 'name' | 'service' | 'number'>,
): string {
  return name === `${project}-${service}-${number}` ? name.slice(project.length + 1) : name
}
