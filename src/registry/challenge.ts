/** How a registry wants to be told who asks. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string; readonly scope: string }

/** The first challenge of `WWW-Authenticate` that we can meet, Bearer before Basic as docker. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const found = [...challengesIn((header ?? '').slice(0, 8192))]
  const bearer = found.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'))
  if (bearer) {
    const text = (name: string) => bearer.parameters.get(name) ?? ''
    return { scheme: 'bearer', realm: text('realm'), service: text('service'), scope: text('scope') }
  }
  return found.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined
}

/** RFC 7235: `scheme name="value", name=value, scheme …`. */
function* challengesIn(text: string): Generator<{ scheme: string; parameters: Map<string, string> }> {
  const token =
    /[\s,]*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w!#$%&'*+.^`|~-]+))/gy
  let current: { scheme: string; parameters: Map<string, string> } | undefined
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [, name, quoted, plain, scheme] = match
    if (scheme !== undefined) {
      if (current) yield current
      current = { scheme: scheme.toLowerCase(), parameters: new Map() }
    } else if (name !== undefined && current)
      current.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
  }
  if (current) yield current
}
