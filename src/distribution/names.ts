import { DistributionError } from './errors.ts'

const maxNameLength = 255
/** "Pull": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*` */
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const name = new RegExp(`^${component}(?:/${component})*$`)
/** "Pull": a tag. */
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isName(text: string): boolean {
  // The bound first: it keeps long text away from the regular expression.
  return text.length <= maxNameLength && name.test(text)
}

/** Throws NAME_INVALID. Only names that passed become keys and paths. */
export function checkName(text: string): string {
  if (!isName(text))
    throw new DistributionError(
      'NAME_INVALID',
      `invalid repository name ${JSON.stringify(text.slice(0, maxNameLength))}`,
    )
  return text
}

export function isTag(text: string): boolean {
  return tag.test(text)
}

/** Throws TAG_INVALID. */
export function checkTag(text: string): string {
  if (!isTag(text))
    throw new DistributionError('TAG_INVALID', `invalid tag ${JSON.stringify(text.slice(0, 200))}`)
  return text
}
