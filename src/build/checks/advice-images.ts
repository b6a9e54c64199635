import { cleanPath } from '../../lib/ignore.ts'
import { parseReference } from '../../lib/reference.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Instruction, InstructionOf } from '../dockerfile/instructions.ts'
import { isWholeContext } from './secrets.ts'
import { instructionsOf, lineage, rootImage, type Report, type StageView, type View } from './view.ts'

/** Advice on base images, and on what the finished image is like to those who run it. */
export function adviseImages(view: View, report: Report): void {
  for (const stage of view.stages) if (stage.checked && stage.base.kind === 'image') baseTag(stage, report)
  fullSize(view, report)
  root(view, report)
  healthcheck(view, report)
  for (const stage of view.stages)
    if (stage.checked) for (const i of stage.stage.body) if (i.kind === 'add') plainAdd(i, report)
  ignoreFile(view, report)
}

interface Name {
  /** Without `docker.io` and `library`: `python`, `ghcr.io/x/y`. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

function nameOf(text: string): Name | undefined {
  try {
    const { domain, path, tag, digest } = parseReference(text)
    const repository = domain === 'docker.io' ? path.replace(/^library\//, '') : `${domain}/${path}`
    return { repository, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
  } catch (error) {
    if (error instanceof EngineError) return undefined
    throw error
  }
}

function fromLine(i: InstructionOf<'from'>, image: string): string {
  const words = i.node.args.text.split(/\s+/)
  return [i.node.keyword, ...words.map((word) => (word === i.image.text ? image : word))].join(' ')
}

function baseTag({ stage, baseName }: StageView, report: Report): void {
  const name = nameOf(baseName)
  if (!name || name.digest !== undefined || (name.tag !== undefined && name.tag !== 'latest')) return
  const said =
    name.tag === undefined ? 'has no tag: that means latest, which' : 'is taken by the tag latest, which'
  report(
    'BaseImageTag',
    stage.from.node.range,
    `Base image ${name.repository} ${said} is another image tomorrow`,
    fromLine(stage.from, `${name.repository}:${versionExample[name.repository] ?? 'VERSION'}`),
  )
}

/** Tags with a version, where people know the image by them. */
const versionExample: Readonly<Record<string, string>> = {
  alpine: '3.22',
  busybox: '1.37',
  debian: '13-slim',
  golang: '1.26-alpine',
  httpd: '2.4-alpine',
  mariadb: '11.8',
  mysql: '8.4',
  nginx: '1.28-alpine',
  node: '24-slim',
  php: '8.4-fpm-alpine',
  postgres: '17-alpine',
  python: '3.13-slim',
  redis: '8-alpine',
  ruby: '3.4-slim',
  rust: '1-slim',
  ubuntu: '24.04',
}

/** Official images with a small variant, and what it is called. */
const smallVariant: Readonly<Record<string, string>> = {
  debian: 'slim',
  'eclipse-temurin': 'alpine',
  elixir: 'slim',
  erlang: 'slim',
  haproxy: 'alpine',
  httpd: 'alpine',
  memcached: 'alpine',
  nginx: 'alpine',
  node: 'slim',
  openjdk: 'slim',
  perl: 'slim',
  php: 'alpine',
  postgres: 'alpine',
  python: 'slim',
  rabbitmq: 'alpine',
  redis: 'alpine',
  ruby: 'slim',
}

function fullSize(view: View, report: Report): void {
  const found = rootImage(view.target)
  const name = found && nameOf(found.view.baseName)
  if (!found || !name || name.digest !== undefined) return
  const { stage } = found.view
  const variant = smallVariant[name.repository]
  const tag = name.tag ?? 'latest'
  if (variant !== undefined && !/slim|alpine|distroless|busybox|chiseled|nanoserver/.test(tag)) {
    const better = tag === 'latest' ? (versionExample[name.repository] ?? variant) : `${tag}-${variant}`
    report(
      'FullSizeBaseImage',
      stage.from.node.range,
      `${name.repository}:${tag} is the full-size image: the ${variant} variant is a fraction of it`,
      fromLine(stage.from, `${name.repository}:${better}`),
    )
  }
}

function lastOf<K extends Instruction['kind']>(
  body: readonly Instruction[],
  kind: K,
): (Instruction & { kind: K }) | undefined {
  return body.findLast((i): i is Instruction & { kind: K } => i.kind === kind)
}

/** The line that advice on the whole image belongs to: what is started, else the last FROM. */
function placeOf(view: StageView): Instruction {
  const body = instructionsOf(view)
  return lastOf(body, 'cmd') ?? lastOf(body, 'entrypoint') ?? view.stage.from
}

function root(view: View, report: Report): void {
  const body = instructionsOf(view.target)
  const user = lastOf(body, 'user')
  const base = rootImage(view.target)
  const name = user?.user.text ?? base?.known?.config.User ?? ''
  if (name !== '' && !/^(?:root|0)(?::|$)/.test(name)) return
  // Without anything to run it is a base for others, who decide.
  if (!user && !lastOf(body, 'cmd') && !lastOf(body, 'entrypoint')) return
  const make = /alpine|busybox/.test(base?.view.baseName ?? '')
    ? 'adduser -D app'
    : 'useradd --create-home app'
  const better = base ? `RUN ${make}\nUSER app` : 'USER 65534:65534'
  report(
    'RunsAsRoot',
    (user ?? placeOf(view.target)).node.range,
    user ? `The image runs as ${user.user.text}` : 'No USER is named, so the image runs as root',
    better,
  )
}

function healthcheck(view: View, report: Report): void {
  const body = instructionsOf(view.target)
  const known = rootImage(view.target)?.known
  if (lastOf(body, 'healthcheck') || known?.config.Healthcheck) return
  const port = lastOf(body, 'expose')?.ports[0]?.text
  if (!lastOf(body, 'cmd') && !lastOf(body, 'entrypoint') && port === undefined) return
  const probe =
    port === undefined
      ? 'a-command-that-asks-it'
      : `wget -q -O /dev/null http://localhost:${port.replace(/\D.*$/, '')}/`
  report(
    'NoHealthcheck',
    placeOf(view.target).node.range,
    'There is no HEALTHCHECK: a program that hangs counts as healthy',
    `HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ${probe} || exit 1`,
  )
}

const archives = /\.(?:tar|tgz|tbz2?|txz|tzst|tar\.(?:gz|bz2|xz|zst|lzma|Z))$/i

function plainAdd(i: InstructionOf<'copy' | 'add'>, report: Report): void {
  const plain = i.sources.every(
    ({ text }) =>
      !archives.test(text) &&
      !/^[a-z][a-z0-9+.-]*:\/\/|^git@|\.git(?:#.*)?$|\$/.test(text) &&
      !/[*?[]/.test(text),
  )
  if (!plain || /--(?:checksum|unpack|keep-git-dir)\b/.test(i.node.args.text)) return
  report(
    'AddInsteadOfCopy',
    i.node.range,
    'Nothing here is an archive or an URL: COPY is enough',
    `COPY ${i.node.args.text}`,
  )
}

function ignoreFile(view: View, report: Report): void {
  const { ignore, files } = view.input
  if (ignore && ignore.patterns.length > 0) return
  const reached = new Set(lineage(view.target))
  for (const stage of view.stages) {
    if (!stage.checked && !reached.has(stage)) continue
    const copy = stage.stage.body.find(
      (i): i is InstructionOf<'copy' | 'add'> =>
        (i.kind === 'copy' || i.kind === 'add') && !i.from && i.sources.some(isWholeContext),
    )
    if (!copy) continue
    const there = (files ?? []).map(cleanPath).filter((path) => unwanted.has(path))
    const also = there.length > 0 ? `, ${there.slice(0, 5).join(', ')} among them` : ''
    report(
      'NoDockerignore',
      copy.node.range,
      `All of the directory is copied${also}: there is ${ignore ? `nothing in ${ignore.name}` : 'no .dockerignore'}`,
      `# .dockerignore\n${(there.length > 0 ? there : ['.git', 'node_modules', '.env', '*.log']).join('\n')}`,
    )
    return
  }
}

const unwanted: ReadonlySet<string> = new Set([
  '.git',
  '.svn',
  'node_modules',
  '.venv',
  'venv',
  '__pycache__',
  '.env',
  '.idea',
  '.vscode',
  'target',
  'dist',
  '.DS_Store',
  '.terraform',
  'coverage',
])
