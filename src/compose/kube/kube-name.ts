/** A name that Kubernetes takes for anything (RFC 1123 label): lower case, digits and hyphens, 63 letters at most. */
export function kubeName(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'x' : name
}
