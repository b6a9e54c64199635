import { trailingCommentHint } from '../dockerfile/decode.ts'
import type { Instruction, InstructionOf, Word } from '../dockerfile/instructions.ts'
import { mountOption, type Report, type StageView, type View } from './view.ts'

/** Shapes of keys and tokens that nothing else has. What is found is never quoted. */
const values: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a private key', /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----/],
  ['an AWS access key', /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})/],
  ['a GitLab token', /\bglpat-[A-Za-z0-9_-]{20,}/],
  ['a Slack token', /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/],
  ['a Google API key', /\bAIza[0-9A-Za-z_-]{35}\b/],
  ['an API key', /\b(?:sk|rk|pk)[-_](?:live|test|proj|ant)[-_][A-Za-z0-9_-]{16,}/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}\b|:_authToken=(?!\$)[^\s"'$]{8,}/],
  ['a PyPI token', /\bpypi-[A-Za-z0-9_-]{50,}/],
  ['a JSON web token', /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/],
  [
    'a password in an URL',
    /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@$"'<{]{1,64}:[^\s:/@$"'<{*]{3,128}@[A-Za-z0-9[]/,
  ],
]

/** What a text seems to hold; nothing when it looks harmless. */
export function secretIn(text: string): string | undefined {
  // Long lines are files, not values; the patterns are linear, the bound keeps it so.
  const head = text.slice(0, 100_000)
  return values.find(([, pattern]) => pattern.test(head))?.[0]
}

const secretFiles =
  /^(?:id_(?:rsa|dsa|ecdsa|ed25519)|\.env(?:\.(?!example|sample|template|dist|test)[\w-]+)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials|\.htpasswd|\.pgpass|\.my\.cnf|\.vault-token|\.ssh|credentials\.json|service-account[\w-]*\.json|kubeconfig|.+\.(?:key|pfx|p12|jks|keystore|kdbx|ppk)|(?:.+[._-])?(?:private|server|client|tls|ssl|deploy|signing)[._-]?key(?:\.pem)?)$/i
const secretPaths = /(?:^|\/)(?:\.aws\/credentials|\.docker\/config\.json|\.kube\/config)$/

/** Whether people keep secrets in files of this name. */
export function isSecretFile(path: string): boolean {
  const clean = path.replace(/\/+$/, '')
  return secretPaths.test(clean) || secretFiles.test(clean.slice(clean.lastIndexOf('/') + 1))
}

/** Secrets in the text, secrets in files, and the daemon's socket. */
export function checkSecrets(view: View, report: Report): void {
  for (const arg of view.input.program.globals) secretValues(view, arg, report)
  for (const stage of view.stages) {
    if (!stage.checked) continue
    for (const i of stage.stage.body) {
      if (takesHash.has(i.kind) && trailingCommentHint(i.node) !== '') trailingComment(i, report)
      secretValues(view, i, report)
      if (i.kind === 'copy' || i.kind === 'add') secretFile(view, stage, { i, report })
      socket(i, report)
    }
  }
}

/** Instructions that take a trailing `# comment` as a part of their value, without a fault. */
const takesHash: ReadonlySet<Instruction['kind']> = new Set(['workdir', 'user', 'volume', 'maintainer'])

function trailingComment(i: Instruction, report: Report): void {
  const text = i.node.args.text.replace(/\s#(?:\s.*)?$/, '')
  report(
    'TrailingComment',
    i.node.range,
    `A "#" behind an instruction does not start a comment: it became a part of ${i.kind.toUpperCase()}`,
    `# ${/\s#\s*(.*)$/.exec(i.node.args.text)?.[1] ?? ''}\n${i.node.keyword} ${text}`,
  )
}

function secretValues(view: View, i: Instruction, report: Report): void {
  const { buildArgs } = view.input
  const say = (where: string, what: string) =>
    report(
      'SecretValue',
      i.node.range,
      `${where} seems to be ${what}: it stays readable in the image's history`,
      'RUN --mount=type=secret,id=mysecret,env=MYSECRET command   # build --secret id=mysecret,src=FILE',
    )
  if (i.kind === 'arg') {
    for (const { key, value } of i.args) {
      const given = Object.hasOwn(buildArgs, key.text) ? secretIn(buildArgs[key.text] ?? '') : undefined
      if (given !== undefined) say(`The build argument ${key.text}`, given)
      const found = value && secretIn(value.text)
      if (found !== undefined) say(`The default of ARG ${key.text}`, found)
    }
    return
  }
  if (i.kind === 'env' || i.kind === 'label') {
    for (const { key, value } of i.pairs) {
      const found = secretIn(value.text)
      if (found !== undefined) say(`The value of ${i.kind.toUpperCase()} ${key.text}`, found)
    }
    return
  }
  const found = secretIn([i.node.args.text, ...i.node.heredocs.map((doc) => doc.content)].join('\n'))
  if (found !== undefined) say(`A part of this ${i.kind.toUpperCase()}`, found)
}

function secretFile(
  view: View,
  stage: StageView,
  o: { i: InstructionOf<'copy' | 'add'>; report: Report },
): void {
  const { i, report } = o
  const say = (path: string, better: string) =>
    report(
      'SecretFileCopied',
      i.node.range,
      `${path} usually holds secrets, and here it becomes a part of ${stageOf(stage)}`,
      better,
    )
  const secret = i.sources.find((word) => isSecretFile(word.text))
  if (secret) say(secret.text, secretMount(secret.text))
  const { files = [] } = view.input
  if (i.from || !i.sources.some((word) => isWholeContext(word))) return
  for (const path of files)
    // In most projects it names a registry and no more.
    if (path !== '.npmrc' && isSecretFile(path) && !view.matcher?.ignores(path) && !excluded(i, path))
      say(path, `# in .dockerignore:\n${path}`)
}

function excluded(i: InstructionOf<'copy' | 'add'>, path: string): boolean {
  return i.excludes.some((word) => word.text === path || word.text === `**/${path}`)
}

function secretMount(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/^\.+/, '')
  return `RUN --mount=type=secret,id=${name},target=/run/secrets/${name} command   # build --secret id=${name},src=${path}`
}

function stageOf({ stage }: StageView): string {
  return stage.name === undefined ? 'the image' : `stage ${stage.name}`
}

/** Whether a source of COPY means all of the context. */
export function isWholeContext(word: Word): boolean {
  return /^(?:\.?\/?|\.?\/?\*)$/.test(word.text)
}

const socketPath =
  /(?:^|[\s"'=:,[])\/?(?:var\/)?run\/(?:docker|gantry\/gantry|containerd\/containerd|podman\/podman)\.sock\b/

function socket(i: Instruction, report: Report): void {
  const text = i.node.args.text
  const mounted =
    i.kind === 'run' &&
    i.mounts.some((word) => socketPath.test(mountOption(word.text, 'target', 'dst', 'destination') ?? ''))
  const named =
    i.kind !== 'cmd' && i.kind !== 'entrypoint'
      ? socketPath.test(text) || /\bDOCKER_HOST=["']?unix:/.test(text)
      : /\bunix:\/\/\/var\/run\/docker\.sock\b|-v[ "',]+\/var\/run\/docker\.sock/.test(text)
  if (!mounted && !named) return
  report(
    'DockerSocket',
    i.node.range,
    "The daemon's socket in a container makes everything in that container root on the host",
    '# build images with build, not in a container; a service that needs the API gets an address with TLS and few rights',
  )
}
