import type { Instruction, InstructionOf } from '../dockerfile/instructions.ts'
import { commandsOf, is, operands, type Command } from './commands.ts'
import { isWholeContext } from './secrets.ts'
import { lineage, mountOption, rootImage, type Report, type StageView, type View } from './view.ts'

type Run = InstructionOf<'run'>

/** The arguments as they are shown on one line. */
const shown = ({ node }: Instruction): string => node.args.text.replace(/\s{2,}/g, ' ')

/** Advice on what steps leave in layers, and on their order. */
export function adviseLayers(view: View, report: Report): void {
  const final = new Set(lineage(view.target))
  for (const stage of view.stages) {
    if (!stage.checked) continue
    installAfterCopy(stage, report)
    consecutive(stage, report)
    for (const i of stage.stage.body) {
      if (i.kind !== 'run' || !final.has(stage)) continue
      const commands = commandsOf(i)
      leftovers(i, commands, report)
      buildTools(i, commands, report)
      if (view.stages.length === 1 || stage === view.target) tests(i, commands, report)
    }
  }
  compilerImage(view, report)
}

/** Programs that install what a file in the context lists, and those files. */
const installers: readonly { matches(command: Command): boolean; files: string }[] = [
  {
    matches: (c) =>
      is(c, ['pip', 'pip3'], 'install') &&
      c.some((word) => word === '-r' || word.startsWith('--requirement')),
    files: 'requirements.txt',
  },
  {
    matches: (c) => /^python3?$/.test(c[0] ?? '') && c[1] === '-m' && c[2] === 'pip' && c.includes('-r'),
    files: 'requirements.txt',
  },
  { matches: (c) => is(c, 'uv', 'sync'), files: 'pyproject.toml uv.lock' },
  { matches: (c) => is(c, 'poetry', 'install'), files: 'pyproject.toml poetry.lock' },
  { matches: (c) => is(c, 'pipenv', 'install', 'sync'), files: 'Pipfile Pipfile.lock' },
  {
    matches: (c) => is(c, 'npm', 'ci', 'install', 'i') && operands(c).length === 0 && !c.includes('-g'),
    files: 'package.json package-lock.json',
  },
  {
    matches: (c) =>
      is(c, 'yarn') &&
      operands(['', ...c]).length <= 1 &&
      (c.length === 1 || is(c, 'yarn', 'install') || (c[1] ?? '').startsWith('-')),
    files: 'package.json yarn.lock',
  },
  {
    matches: (c) => is(c, 'pnpm', 'install', 'i') && operands(c).length === 0,
    files: 'package.json pnpm-lock.yaml',
  },
  { matches: (c) => is(c, ['bundle', 'bundler'], 'install'), files: 'Gemfile Gemfile.lock' },
  { matches: (c) => is(c, 'composer', 'install'), files: 'composer.json composer.lock' },
  { matches: (c) => is(c, 'go', 'mod') && c.includes('download'), files: 'go.mod go.sum' },
  { matches: (c) => is(c, 'cargo', 'fetch'), files: 'Cargo.toml Cargo.lock' },
  {
    matches: (c) => is(c, ['mvn', 'mvnw']) && c.some((word) => word.startsWith('dependency:')),
    files: 'pom.xml',
  },
  { matches: (c) => is(c, 'dotnet', 'restore'), files: '*.csproj' },
]

function installAfterCopy({ stage }: StageView, report: Report): void {
  let all: Instruction | undefined
  let copied = ''
  for (const i of stage.body) {
    if ((i.kind === 'copy' || i.kind === 'add') && !i.from) {
      if (i.sources.some(isWholeContext)) all ??= i
      else if (!all) copied += ` ${i.sources.map(({ text }) => text).join(' ')}`
    }
    if (i.kind !== 'run' || !all) continue
    const line = all.node.range.start.line
    for (const command of commandsOf(i)) {
      const installer = installers.find((each) => each.matches(command))
      if (!installer) continue
      // A manifest that came earlier was installed from earlier, as it should be.
      if (installer.files.split(' ').some((file) => copied.includes(file.replace('*', '')))) return
      report(
        'CopyBeforeInstall',
        i.node.range,
        `${command.slice(0, 2).join(' ')} runs after ${all.node.keyword} of all sources (line ${line}): each change of any file installs everything again`,
        `COPY ${installer.files} ./\nRUN ${shown(i)}\n${all.node.keyword} ${shown(all)}`,
      )
      return
    }
  }
}

/** Several RUN in a row that belong together: three, or fewer where one works on what the other made. */
function consecutive({ stage }: StageView, report: Report): void {
  let group: Run[] = []
  const end = () => {
    const [first] = group
    const last = group.at(-1)
    if (first && last && belong(group))
      report(
        'ConsecutiveRun',
        { start: first.node.range.start, end: last.node.range.end },
        `${group.length} RUN instructions in a row make ${group.length} layers${group.some(cleansUp) ? '; what the later ones delete stays in the earlier' : ''}`,
        `RUN ${group.map((run) => shown(run)).join(' && \\\n    ')}`,
      )
    group = []
  }
  for (const i of stage.body) {
    // What has flags, here-documents or exec form cannot simply be joined.
    const plain =
      i.kind === 'run' &&
      i.command.form === 'shell' &&
      i.heredocs.length === 0 &&
      !i.node.args.text.startsWith('--')
    if (i.kind === 'run' && plain) group.push(i)
    else end()
  }
  end()
}

function belong(group: readonly Run[]): boolean {
  if (group.length >= 3) return true
  if (group.length < 2) return false
  const managers = group.map((run) =>
    commandsOf(run)
      .map(managerOf)
      .find((name) => name !== undefined),
  )
  return (managers[0] !== undefined && managers[0] === managers[1]) || group.slice(1).some(cleansUp)
}

function managerOf(command: Command): string | undefined {
  const program = command[0] ?? ''
  if (['apt-get', 'apt', 'aptitude', 'dpkg'].includes(program)) return 'apt'
  return ['apk', 'yum', 'dnf', 'microdnf', 'zypper', 'pacman'].includes(program) ? program : undefined
}

function cleansUp(run: Run): boolean {
  return commandsOf(run).some(
    (command) =>
      (is(command, 'rm') && command.some((word) => /^-\w*[rf]/.test(word))) ||
      is(command, ['apt-get', 'apt'], 'clean', 'purge', 'remove', 'autoremove') ||
      is(command, ['yum', 'dnf', 'microdnf'], 'clean') ||
      is(command, 'apk', 'del'),
  )
}

function leftovers(i: Run, commands: readonly Command[], report: Report): void {
  const mounts = i.mounts.map((word) => mountOption(word.text, 'target', 'dst', 'destination') ?? '')
  const covered = (...paths: string[]) =>
    mounts.some((mount) => paths.some((path) => path.startsWith(mount) && mount !== ''))
  const removed = (path: string) =>
    commands.some((c) => is(c, 'rm') && c.some((word) => word.startsWith(path)))
  const find = (...args: Parameters<typeof is> extends [Command, ...infer R] ? R : never) =>
    commands.find((c) => is(c, ...args))
  const say = (what: string, better: string) => report('PackageListsKept', i.node.range, what, better)
  const line = shown(i).replace(/\s*(?:&&|;)?\s*$/, '')

  if (
    find(['apt-get', 'apt'], 'update', 'install', 'upgrade') &&
    !removed('/var/lib/apt/lists') &&
    !covered('/var/lib/apt', '/var/lib/apt/lists')
  )
    say(
      find(['apt-get', 'apt'], 'update') &&
        !find(['apt-get', 'apt'], 'install', 'upgrade', 'dist-upgrade', 'build-dep')
        ? 'apt-get update alone: its lists stay in this layer, and a later install may work on old ones'
        : "apt's package lists stay in this layer",
      `RUN ${line} && rm -rf /var/lib/apt/lists/*`,
    )
  const apk = find('apk', 'add', 'update', 'upgrade')
  if (
    apk &&
    !commands.some((c) => is(c, 'apk') && c.includes('--no-cache')) &&
    !removed('/var/cache/apk') &&
    !covered('/var/cache/apk', '/etc/apk/cache')
  )
    say("apk's index stays in this layer", `RUN ${line.replace(/\bapk\s+add\b/, 'apk add --no-cache')}`)
  const yum = commands.find((c) => is(c, ['yum', 'dnf', 'microdnf'], 'install', 'update', 'upgrade'))
  if (
    yum &&
    !find(['yum', 'dnf', 'microdnf'], 'clean') &&
    !removed('/var/cache/') &&
    !covered('/var/cache/dnf', '/var/cache/yum')
  )
    say(`${yum[0]}'s cache stays in this layer`, `RUN ${line} && ${yum[0]} clean all`)
  const pip = commands.find(
    (c) =>
      is(c, ['pip', 'pip3'], 'install') ||
      (/^python3?$/.test(c[0] ?? '') && c[2] === 'pip' && c[3] === 'install'),
  )
  if (
    pip &&
    !pip.includes('--no-cache-dir') &&
    !/\bPIP_NO_CACHE_DIR=/.test(line) &&
    !removed('/root/.cache') &&
    !covered('/root/.cache/pip', '/root/.cache')
  )
    say(
      "pip's downloads stay in this layer",
      `RUN ${line.replace(/\bpip(3?) install\b/, 'pip$1 install --no-cache-dir')}`,
    )
}

const tools =
  /^(?:build-essential|base-devel|build-base|gcc|g\+\+|gcc-\d+|g\+\+-\d+|clang|llvm|make|cmake|ninja-build|autoconf|automake|libtool|pkg-config|musl-dev|linux-headers|cargo|rustc|golang|golang-go|go|maven|gradle|(?:default|openjdk-\d+)-jdk(?:-headless)?|[a-z0-9.+-]+-dev(?:el)?)$/

function buildTools(i: Run, commands: readonly Command[], report: Report): void {
  const installed = commands.filter(
    (c) =>
      is(c, ['apt-get', 'apt', 'aptitude', 'yum', 'dnf', 'microdnf', 'zypper'], 'install') ||
      is(c, 'apk', 'add'),
  )
  const found = [...new Set(installed.flatMap(operands))]
    .map((name) => name.replace(/[=<>~].*$/, ''))
    .filter((name) => tools.test(name))
  const gone = commands.some(
    (c) =>
      is(c, ['apt-get', 'apt'], 'purge', 'remove', 'autoremove') ||
      is(c, 'apk', 'del') ||
      is(c, ['yum', 'dnf'], 'remove', 'autoremove'),
  )
  if (found.length === 0 || gone) return
  report(
    'BuildToolsInFinalImage',
    i.node.range,
    `${found.slice(0, 4).join(', ')}${found.length > 4 ? ' and more' : ''} stay in the final image`,
    `FROM … AS build\nRUN ${shown(i)}\n# build here\n\nFROM … (without the tools)\nCOPY --from=build /what/was/built /usr/local/bin/`,
  )
}

/** Images that are there to compile with. */
const compilers = /^(?:golang|rust|gcc|maven|gradle|sbt|haskell|swift|mcr\.microsoft\.com\/dotnet\/sdk)$/

function compilerImage(view: View, report: Report): void {
  const root = rootImage(view.target)
  const [, repository = ''] = /^(?:docker\.io\/)?(?:library\/)?([^:@]+)/.exec(root?.view.baseName ?? '') ?? []
  if (
    !root ||
    (!compilers.test(repository) && !/(?:^|-)jdk(?:-|$)/.test(root.view.baseName.split(':')[1] ?? ''))
  )
    return
  const { node } = root.view.stage.from
  report(
    'BuildToolsInFinalImage',
    node.range,
    `${root.view.baseName} is an image to compile with, and here all of it becomes a part of the final image`,
    `${node.keyword} ${root.view.baseName} AS build\n# build here\n\nFROM alpine:3.22\nCOPY --from=build /what/was/built /usr/local/bin/`,
  )
}

const runners: readonly ((command: Command) => boolean)[] = [
  (c) =>
    is(c, [
      'pytest',
      'py.test',
      'tox',
      'nox',
      'phpunit',
      'rspec',
      'jest',
      'mocha',
      'vitest',
      'ava',
      'ctest',
      'nosetests',
    ]),
  (c) => /^python3?$/.test(c[0] ?? '') && c[1] === '-m' && ['pytest', 'unittest'].includes(c[2] ?? ''),
  (c) => /^python3?$/.test(c[0] ?? '') && (c[1] ?? '').endsWith('manage.py') && c[2] === 'test',
  (c) =>
    is(c, ['npm', 'yarn', 'pnpm', 'bun'], 'test', 't') ||
    (is(c, ['npm', 'yarn', 'pnpm', 'bun'], 'run') && (operands(c)[0] ?? '').startsWith('test')),
  (c) => is(c, ['npx'], 'jest', 'mocha', 'vitest', 'ava', 'playwright', 'cypress'),
  (c) => is(c, ['go', 'cargo', 'dotnet', 'swift', 'mix', 'deno'], 'test'),
  (c) =>
    is(c, ['mvn', 'mvnw', 'gradle', 'gradlew', 'sbt']) &&
    c.some((word) => ['test', 'verify', 'check'].includes(word)),
  (c) => is(c, 'make') && c.some((word) => ['test', 'check', 'tests'].includes(word)),
  (c) => is(c, ['bundle', 'poetry', 'uv', 'pipenv'], 'exec', 'run') && isTestTask(operands(c)),
]

function isTestTask([program = '', task = 'test']: readonly string[]): boolean {
  return ['rspec', 'pytest'].includes(program) || (program === 'rake' && /^(?:test|spec)\b/.test(task))
}

function tests(i: Run, commands: readonly Command[], report: Report): void {
  const found = commands.find((command) => runners.some((matches) => matches(command)))
  if (!found) return
  report(
    'TestsInBuild',
    i.node.range,
    `${found.slice(0, 3).join(' ')} runs in the build of the final image`,
    `FROM … AS test\nRUN ${shown(i)}   # build --target test; or run the tests in a container of the finished image`,
  )
}
