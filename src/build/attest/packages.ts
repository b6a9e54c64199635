/** What package managers leave in files → packages. All of it is foreign text: what does not parse is no package. */
export interface Found {
  readonly name: string
  readonly version: string
  /** https://github.com/package-url/purl-spec */
  readonly purl: string
  /** Where it was found, relative to the root. */
  readonly path: string
  /** An SPDX expression. */
  readonly license?: string
  readonly supplier?: string
}

export interface Distro {
  readonly id: string
  readonly version: string
}

/** `/etc/os-release`. */
export function osRelease(text: string): Distro | undefined {
  const fields = new Map(
    text.split('\n').flatMap((line) => {
      const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim())
      return match ? [[match[1] ?? '', match[2] ?? match[3] ?? match[4] ?? ''] as const] : []
    }),
  )
  const id = fields.get('ID')
  return id === undefined || id === '' ? undefined : { id, version: fields.get('VERSION_ID') ?? '' }
}

/** `/var/lib/dpkg/status`. */
export function debPackages(path: string, text: string, distro: Distro | undefined): Found[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = fieldsOf(paragraph)
    const name = fields.get('package')
    const version = fields.get('version')
    if (name === undefined || version === undefined) return []
    // Removed packages keep a paragraph; images without dpkg have no status at all.
    const status = fields.get('status')
    if (status !== undefined && !status.endsWith(' installed')) return []
    const source = fields.get('source')?.split(' ', 1)[0]
    const qualifiers = { arch: fields.get('architecture'), distro: distroName(distro), upstream: source }
    return [
      {
        name,
        version,
        path,
        purl: purl(`deb/${distro?.id ?? 'debian'}`, { name, version, qualifiers }),
        ...(distro && { supplier: distro.id }),
      },
    ]
  })
}

/** `/lib/apk/db/installed`. */
export function apkPackages(path: string, text: string, distro: Distro | undefined): Found[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const line = (key: string) => new RegExp(`^${key}:(.*)$`, 'm').exec(paragraph)?.[1]
    const name = line('P')
    const version = line('V')
    if (name === undefined || version === undefined) return []
    const qualifiers = { arch: line('A'), distro: distroName(distro) }
    return [
      {
        name,
        version,
        path,
        purl: purl(`apk/${distro?.id ?? 'alpine'}`, { name, version, qualifiers }),
        ...licenseOf(line('L')),
        ...(distro && { supplier: distro.id }),
      },
    ]
  })
}

/** `node_modules/NAME/package.json`. */
export function npmPackage(path: string, text: string): Found | undefined {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof found !== 'object' || found === null) return undefined
  const { name, version, license } = found as Record<string, unknown>
  if (typeof name !== 'string' || typeof version !== 'string' || name === '' || version === '')
    return undefined
  const [scope, bare] = name.startsWith('@') && name.includes('/') ? name.split('/', 2) : [undefined, name]
  const type = scope === undefined ? 'npm' : `npm/${encodeURIComponent(scope)}`
  return {
    name,
    version,
    path,
    purl: purl(type, { name: bare ?? name, version }),
    ...licenseOf(typeof license === 'string' ? license : undefined),
  }
}

/** `NAME.dist-info/METADATA`, `NAME.egg-info/PKG-INFO`. */
export function pythonPackage(path: string, text: string): Found | undefined {
  const fields = fieldsOf(text.split(/\n\s*\n/, 1)[0] ?? '')
  const name = fields.get('name')
  const version = fields.get('version')
  if (name === undefined || version === undefined) return undefined
  const canonical = name.toLowerCase().replace(/[-_.]+/g, '-')
  return {
    name,
    version,
    path,
    purl: purl('pypi', { name: canonical, version }),
    ...licenseOf(fields.get('license-expression') ?? fields.get('license')),
  }
}

/** `Key: value` lines; what goes on in lines below is left. */
function fieldsOf(paragraph: string): Map<string, string> {
  return new Map(
    paragraph.split('\n').flatMap((line) => {
      const match = /^([A-Za-z][\w-]*):[ \t]*(.*?)\s*$/.exec(line)
      return match ? [[(match[1] ?? '').toLowerCase(), match[2] ?? ''] as const] : []
    }),
  )
}

const distroName = (distro: Distro | undefined) =>
  distro && (distro.version === '' ? distro.id : `${distro.id}-${distro.version}`)

/** Free text is no SPDX expression. */
function licenseOf(text: string | undefined): { license?: string } {
  if (text === undefined || text.length > 200) return {}
  const id = String.raw`\(*[A-Za-z0-9][A-Za-z0-9.+-]*\)*`
  return new RegExp(`^${id}(?: (?:AND|OR|WITH) ${id})*$`).test(text) ? { license: text } : {}
}

function purl(
  type: string,
  o: { name: string; version: string; qualifiers?: Readonly<Record<string, string | undefined>> },
): string {
  const encode = (text: string) => encodeURIComponent(text).replaceAll('%3A', ':')
  const qualifiers = Object.entries(o.qualifiers ?? {})
    .filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${encode(value)}`)
  return `pkg:${type}/${encode(o.name)}@${encode(o.version)}${qualifiers.length > 0 ? `?${qualifiers.join('&')}` : ''}`
}
