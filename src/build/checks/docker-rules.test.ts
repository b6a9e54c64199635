import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIgnore } from '../../lib/ignore.ts'
import { checkText, type TextCheck } from './check.ts'

type Setting = Partial<Pick<TextCheck, 'buildArgs' | 'target' | 'allStages' | 'baseImage'>> & {
  ignore?: string
}

/** `rule:line message` of docker's rules alone. */
function check(text: string, { ignore, ...o }: Setting = {}) {
  const report = checkText({
    name: 'Dockerfile',
    text,
    buildArgs: {},
    allStages: true,
    baseImage: () => undefined,
    ...(ignore !== undefined && { ignore: { name: '.dockerignore', patterns: parseIgnore(ignore) } }),
    sources: { daemon: 'version=0' },
    ...o,
  })
  return { ...report, lines: report.findings.map((each) => `${each.rule}:${each.startLine} ${each.message}`) }
}

/** Each case: what to look at, then what docker says of it. */
const cases: readonly (readonly [string, readonly string[], Setting?])[] = [
  [
    'FROM scratch AS BadStageName\n\nFROM scratch as base2\n\nFROM scratch AS base3\n',
    [
      "StageNameCasing:1 Stage name 'BadStageName' should be lowercase",
      "FromAsCasing:3 'as' and 'FROM' keywords' casing do not match",
    ],
  ],
  [
    'from scratch AS base\n\nfrom scratch as base2\n',
    ["FromAsCasing:1 'AS' and 'from' keywords' casing do not match"],
  ],
  [
    'FROM scratch\nCOPY Dockerfile \\\n\n.\nCOPY Dockerfile \\\n.\n',
    ['NoEmptyContinuation:4 Empty continuation line'],
  ],
  [
    'From scratch as base\nFROM scratch AS base2\n',
    [
      "ConsistentInstructionCasing:1 Command 'From' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'FROM scratch\ncopy Dockerfile /foo\nCOPY Dockerfile /bar\n',
    [
      "ConsistentInstructionCasing:2 Command 'copy' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'frOM scratch as base\nfrom scratch as base2\n',
    [
      "ConsistentInstructionCasing:1 Command 'frOM' should match the case of the command majority (lowercase)",
    ],
  ],
  [
    'FROM scratch\ncopy Dockerfile /foo\ncopy Dockerfile /bar\ncopy Dockerfile /baz\n',
    [
      "ConsistentInstructionCasing:1 Command 'FROM' should match the case of the command majority (lowercase)",
    ],
  ],
  ['from scratch\ncopy Dockerfile /foo\n', []],
  [
    'FROM scratch AS b\nFROM scratch AS b\n',
    ['DuplicateStageName:2 Duplicate stage name "b", stage names should be unique'],
  ],
  [
    'FROM scratch AS scratch\nFROM scratch AS context\n',
    [
      'ReservedStageName:1 Stage name should not use the same name as reserved stage "scratch"',
      'ReservedStageName:2 Stage name should not use the same name as reserved stage "context"',
    ],
  ],
  ['FROM scratch\nFROM scratch AS a\n', []],
  [
    'FROM scratch\nCMD mycommand\n',
    [
      'JSONArgsRecommended:2 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
    ],
  ],
  [
    'FROM scratch\nENTRYPOINT mycommand\n',
    [
      'JSONArgsRecommended:2 JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals',
    ],
  ],
  ['FROM scratch AS base\nSHELL ["/usr/bin/customshell"]\n\nFROM base\nCMD mycommand\n', []],
  [
    'FROM scratch\nMAINTAINER me@example.org\n',
    ['MaintainerDeprecated:2 Maintainer instruction is deprecated in favor of using label'],
  ],
  ['ARG base=scratch\nFROM $base\nCOPY Dockerfile .\n', []],
  ['FROM --platform=$BUILDPLATFORM scratch\nCOPY Dockerfile .\n', []],
  [
    'FROM --platform=$BULIDPLATFORM scratch\nCOPY Dockerfile .\n',
    ["UndefinedArgInFrom:1 FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)"],
  ],
  [
    'ARG tag=latest\nFROM busybox:${tag}${version} AS b\nCOPY Dockerfile .\n',
    ["UndefinedArgInFrom:2 FROM argument 'version' is not declared"],
  ],
  [
    'FROM scratch\nWORKDIR app/\n',
    ['WorkdirRelativePath:2 Relative workdir "app/" can have unexpected results if the base image changes'],
  ],
  ['FROM scratch AS a\nWORKDIR /app\n\nFROM a AS b\nWORKDIR subdir/\n', []],
  [
    'FROM scratch\nARG d\nWORKDIR $d\n',
    ['WorkdirRelativePath:3 Relative workdir "" can have unexpected results if the base image changes'],
  ],
  ['FROM scratch\nARG foo\nCOPY Dockerfile${foo} .\n', []],
  ['FROM alpine AS base\nARG foo=Dockerfile\n\nFROM base\nCOPY $foo .\n', []],
  ['FROM alpine\nRUN echo $PATH $other\n', []],
  [
    'FROM alpine\nCOPY $foo .\nARG foo=bar\nRUN echo $foo\n',
    ["UndefinedVar:2 Usage of undefined variable '$foo'"],
  ],
  [
    'FROM alpine\nARG DIR_BINARIES=binaries/\nARG DIR_ASSETS=assets/\nARG DIR_CONFIG=config/\nCOPY $DIR_ASSET .\n',
    ["UndefinedVar:5 Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)"],
  ],
  [
    'FROM alpine\nENV PATH=$PAHT:/tmp/bin\n',
    ["UndefinedVar:2 Usage of undefined variable '$PAHT' (did you mean $PATH?)"],
  ],
  [
    'FROM scratch AS first\nCOPY $foo .\n\nFROM scratch AS second\nCOPY $bar .\n',
    ["UndefinedVar:5 Usage of undefined variable '$bar'"],
    { allStages: false },
  ],
  [
    'FROM scratch AS first\nCOPY $foo .\n\nFROM scratch AS second\nCOPY $bar .\n',
    [
      "UndefinedVar:2 Usage of undefined variable '$foo'",
      "UndefinedVar:5 Usage of undefined variable '$bar'",
    ],
  ],
  [
    'FROM scratch\nENTRYPOINT ["/a"]\nCMD ["/a"]\nHEALTHCHECK CMD ["/a"]\nCOPY <<EOF /a.txt\nHello\nEOF\nENTRYPOINT ["/b"]\nCMD ["/b"]\nHEALTHCHECK CMD ["/b"]\n',
    ['ENTRYPOINT:2', 'CMD:3', 'HEALTHCHECK:4'].map((each) => {
      const [name, line] = each.split(':')
      return `MultipleInstructionsDisallowed:${line} Multiple ${name} instructions should not be used in the same stage because only the last one will be used`
    }),
  ],
  ['FROM scratch AS a\nCMD ["/a"]\n\nFROM a AS b\nCMD ["/b"]\n', []],
  [
    'FROM scratch\nENV testkey value\nLABEL key value\n',
    [
      'LegacyKeyValueFormat:2 "ENV key=value" should be used instead of legacy "ENV key value" format',
      'LegacyKeyValueFormat:3 "LABEL key=value" should be used instead of legacy "LABEL key value" format',
    ],
  ],
  [
    'FROM --platform=${TARGETPLATFORM} scratch\n',
    [
      'RedundantTargetPlatform:1 Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior',
    ],
  ],
  [
    "FROM scratch\nCOPY <<EOF <<'RAW' /d/\n$nope\nEOF\n$fine\nRAW\n",
    ["UndefinedVar:2 Usage of undefined variable '$nope'"],
  ],
  [
    'FROM scratch\nARG SECRET_PASSPHRASE\nENV SUPER_Secret=foo\nENV password=bar secret=baz\nENV apikey=bar sunflower=foo\nENV git_key=\nENV PUBLIC_KEY=x TOKEN_FILE=/run/t KEYBOARD=us\n',
    [
      '2 (ARG "SECRET_PASSPHRASE")',
      '3 (ENV "SUPER_Secret")',
      '4 (ENV "password")',
      '4 (ENV "secret")',
      '5 (ENV "apikey")',
      '6 (ENV "git_key")',
    ].map(
      (each) =>
        `SecretsUsedInArgOrEnv:${each.replace(' ', ' Do not use ARG or ENV instructions for sensitive data ')}`,
    ),
  ],
  [
    'ARG VERSION\nFROM busybox:$VERSION\n',
    [
      'InvalidDefaultArgInFrom:2 Default value for ARG busybox:$VERSION results in empty or invalid base image name',
    ],
    { buildArgs: { VERSION: 'latest' } },
  ],
  [
    'ARG SFX="box:"\nFROM busy${SFX}\n',
    [
      'InvalidDefaultArgInFrom:2 Default value for ARG busy${SFX} results in empty or invalid base image name',
    ],
    { buildArgs: { SFX: 'box:latest' } },
  ],
  [
    'ARG BUSYBOX_VARIANT\nFROM busybox:stable${BUSYBOX_VARIANT}\n',
    [],
    { buildArgs: { BUSYBOX_VARIANT: '-musl' } },
  ],
  [
    'FROM --platform=linux/amd64 scratch\n',
    ['FromPlatformFlagConstDisallowed:1 FROM --platform flag should not use constant value "linux/amd64"'],
  ],
  ['FROM --platform=linux/amd64 scratch AS my_amd64_stage\n', []],
  [
    'FROM scratch\nEXPOSE 80/TcP 127.0.0.1:80:80\n',
    [
      "ExposeProtoCasing:2 Defined protocol '80/TcP' in EXPOSE instruction should be lowercase",
      "ExposeInvalidFormat:2 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
    ],
  ],
  ['FROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\n', [], { ignore: 'Dockerfile\n' }],
  [
    '# check=skip=all;experimental=CopyIgnoredFile\nFROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\n',
    [
      'CopyIgnoredFile:3 Attempting to Copy file "Dockerfile" that is excluded by .dockerignore',
      'CopyIgnoredFile:4 Attempting to Add file "Dockerfile" that is excluded by .dockerignore',
    ],
    { ignore: 'Dockerfile\n' },
  ],
  [
    '# check=experimental=all\nFROM scratch AS base\nCOPY sub /foobar\nCOPY keep/a /\nFROM base\nCOPY --from=base /foobar /x\n',
    ['CopyIgnoredFile:4 Attempting to Copy file "keep/a" that is excluded by .dockerignore'],
    { ignore: 'sub\nkeep\n!sub/keep\n' },
  ],
  [
    '# check=experimental=all\n\n# bar this is the bar\nARG foo=bar\n# BasE this is the BasE image\nFROM scratch AS base\n# bar this is the bar\nARG bar\n\n# unrelated\n\nARG quux\n# neither\n#\nARG more\n',
    [
      'InvalidDefinitionDescription:4 Comment for ARG should follow the format: `# foo <description>`',
      'InvalidDefinitionDescription:6 Comment for FROM should follow the format: `# base <description>`',
    ],
  ],
]

test('docker’s rules say what docker says, of the same lines', () => {
  for (const [text, expected, setting] of cases) assert.deepEqual(check(text, setting).lines, expected, text)
})

test('a base image that is here counts: its variables, shell and platform', () => {
  const image = {
    config: { Env: ['APP=/app'], Shell: ['/bin/bash', '-c'] },
    os: 'linux',
    architecture: process.arch === 'x64' ? 'arm64' : 'amd64',
  }
  const { lines } = check('FROM app\nCOPY a $APP\nCOPY b $API\nCMD run it\n', { baseImage: () => image })
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /^InvalidBaseImagePlatform:1 Base image app was pulled with platform "linux\//)
  assert.match(lines[1] ?? '', /^UndefinedVar:3 .*did you mean \$APP\?/)
})

test('what a base image that is not here may bring is not called undefined', () => {
  assert.deepEqual(check('FROM golang:1\nCOPY a $GOPATH\nCOPY b ${NODE_VERSION}\n').lines, [])
})

test('rules are skipped by the directive, and by the build argument in its place', () => {
  const text = (directive: string) => `${directive}\nFROM scratch as base\ncopy Dockerfile .\n`
  const names = (report: ReturnType<typeof check>) => report.findings.map(({ rule }) => rule)
  const arg = (value: string) => ({ buildArgs: { BUILDKIT_DOCKERFILE_CHECK: value } })
  assert.deepEqual(names(check(text('#check=skip=all'))), [])
  assert.deepEqual(names(check(text('#check=skip=ConsistentInstructionCasing, FromAsCasing'))), [])
  assert.deepEqual(names(check(text('#check=skip=ConsistentInstructionCasing'))), ['FromAsCasing'])
  assert.equal(check(text('#check=skip=all;error=true')).error, undefined)
  const failing = check(text('#check=skip=ConsistentInstructionCasing;error=true'))
  assert.equal(failing.error?.message, 'lint violation found for rules: FromAsCasing')
  const overridden = check(text('#check=skip=all'), arg('skip=ConsistentInstructionCasing;error=true'))
  assert.equal(overridden.error?.message, 'lint violation found for rules: FromAsCasing')
  assert.deepEqual(names(check(text('#check=error=true'), arg('skip=all'))), [])
})

test('a directive that cannot be read is told with its line', () => {
  assert.throws(() => check('# check=nonsense\nFROM scratch\n'), {
    kind: 'invalid',
    message: 'failed to parse check options: invalid check option "nonsense"',
    range: { start: { line: 1, column: 1 }, end: { line: 1, column: 17 } },
  })
})

test('what stands before a fault is checked, too', () => {
  const report = check('FROM scratch AS BadStageName\nMAINTAINER me@example.org\nBADCMD\n')
  assert.deepEqual(
    report.findings.map(({ rule }) => rule),
    ['StageNameCasing', 'MaintainerDeprecated'],
  )
  assert.deepEqual(report.error, {
    message: 'dockerfile parse error on line 3: unknown instruction: BADCMD',
    startLine: 3,
    endLine: 3,
  })
})
