import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIgnore } from '../../lib/ignore.ts'
import { checkText } from './check.ts'
import { latestVersion, ruleList } from './rules.ts'
import { isSecretFile, secretIn } from './secrets.ts'

function check(
  text: string,
  o: { ignore?: string; files?: string[]; args?: Record<string, string>; target?: string } = {},
) {
  const { findings } = checkText({
    name: 'Dockerfile',
    text,
    buildArgs: o.args ?? {},
    allStages: true,
    baseImage: () => undefined,
    ...(o.ignore !== undefined && { ignore: { name: '.dockerignore', patterns: parseIgnore(o.ignore) } }),
    ...(o.files && { files: o.files }),
    ...(o.target !== undefined && { target: o.target }),
  })
  return findings.filter(({ url }) => url === undefined)
}

/** The findings of one rule, `line message`. */
function of(rule: string, ...args: Parameters<typeof check>): string[] {
  assert.ok(
    ruleList.some(({ name }) => name === rule),
    rule,
  )
  return check(...args).flatMap((each) => (each.rule === rule ? `${each.startLine} ${each.message}` : []))
}

/** A Dockerfile with nothing to say of. */
const good = `FROM python:3.11-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN useradd -m appuser
USER appuser
ENV LOG_LEVEL=INFO
EXPOSE 8000
HEALTHCHECK --interval=30s CMD curl -f http://localhost:8000/health || exit 1
ENTRYPOINT ["/sbin/tini", "--"]
CMD ["python", "app.py"]
`

test('a Dockerfile as it should be has no findings', () => {
  assert.deepEqual(check(good, { ignore: '.git\n.env\n', files: ['.git', '.env', 'app.py'] }), [])
})

/** One that does what people get wrong, and what is found: each with a better way. */
const bad = `FROM python
ADD . .
COPY id_rsa /root/.ssh/id_rsa
RUN apt-get update
RUN apt-get install -y gcc libpq-dev
RUN pip install -r requirements.txt
RUN pytest
WORKDIR /app # here
ENV AWS=AKIAIOSFODNN7EXAMPLE
VOLUME /var/run/docker.sock
EXPOSE 80
CMD ["python", "app.py"]
`

test('each thing that people get wrong is found, with its line and a better way', () => {
  const found = check(bad, { files: ['.git', '.env', 'app.py'] })
  assert.deepEqual(
    found.map(({ rule, startLine }) => `${startLine} ${rule}`),
    [
      '1 BaseImageTag',
      '1 FullSizeBaseImage',
      '2 SecretFileCopied',
      '2 AddInsteadOfCopy',
      '2 NoDockerignore',
      '3 SecretFileCopied',
      '4 ConsecutiveRun',
      '4 PackageListsKept',
      '5 PackageListsKept',
      '5 BuildToolsInFinalImage',
      '6 CopyBeforeInstall',
      '6 PackageListsKept',
      '7 TestsInBuild',
      '8 TrailingComment',
      '9 SecretValue',
      '10 DockerSocket',
      '12 RunsAsRoot',
      '12 NoHealthcheck',
    ],
  )
  for (const each of found) assert.ok(each.better, `${each.rule} says how it is better`)
  const better = (rule: string) => found.find((each) => each.rule === rule)?.better
  assert.equal(better('BaseImageTag'), 'FROM python:3.13-slim')
  assert.equal(better('AddInsteadOfCopy'), 'COPY . .')
  assert.equal(
    better('CopyBeforeInstall'),
    'COPY requirements.txt ./\nRUN pip install -r requirements.txt\nADD . .',
  )
  assert.equal(better('TrailingComment'), '# here\nWORKDIR /app')
  assert.doesNotMatch(JSON.stringify(found), /AKIA/)
})

test('tags: latest and none are not fixed; digests, stages and scratch are', () => {
  const digest = `@sha256:${'a'.repeat(64)}`
  const text = `FROM alpine:3.20 AS a\nFROM a AS b\nFROM scratch AS c\nFROM debian:latest AS d\nFROM ghcr.io/x/y AS e\nFROM x${digest}\n`
  assert.deepEqual(of('BaseImageTag', text), [
    '4 Base image debian is taken by the tag latest, which is another image tomorrow',
    '5 Base image ghcr.io/x/y has no tag: that means latest, which is another image tomorrow',
  ])
})

test('full-size bases matter in the final image alone', () => {
  const [found] = check('FROM node:20 AS build\nFROM node:20\n')
  assert.equal(found?.startLine, 2)
  assert.equal(found.better, 'FROM node:20-slim')
  assert.deepEqual(of('FullSizeBaseImage', 'FROM golang:1.22 AS b\nFROM nginx:1.27-alpine\n'), [])
})

test('dependencies are to be installed before the sources are copied', () => {
  const rule = 'CopyBeforeInstall'
  for (const install of [
    'npm ci',
    'npm install',
    'yarn --frozen-lockfile',
    'pip install -r requirements.txt',
    'go mod download',
    'bundle install',
  ])
    assert.equal(of(rule, `FROM x:1\nCOPY . .\nRUN ${install}\n`).length, 1, install)
  assert.deepEqual(of(rule, 'FROM x:1\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build\n'), [])
  assert.deepEqual(of(rule, 'FROM x:1\nCOPY . .\nRUN npm install -g pm2\nRUN pip install flask\n'), [])
  assert.deepEqual(of(rule, 'FROM x:1\nCOPY --from=a . .\nRUN npm ci\n'), [])
})

test('RUN in a row: three of any kind, two of one package manager, or one that deletes', () => {
  const rule = 'ConsecutiveRun'
  assert.deepEqual(of(rule, 'FROM x:1\nRUN a\nRUN b\n'), [])
  assert.deepEqual(of(rule, 'FROM x:1\nRUN a\nRUN b\nRUN c\n'), [
    '2 3 RUN instructions in a row make 3 layers',
  ])
  assert.deepEqual(of(rule, 'FROM x:1\nRUN make\nRUN rm -rf /src\n'), [
    '2 2 RUN instructions in a row make 2 layers; what the later ones delete stays in the earlier',
  ])
  assert.deepEqual(of(rule, 'FROM x:1\nRUN apk add --no-cache a\nRUN apk add --no-cache b\n').length, 1)
  assert.deepEqual(of(rule, 'FROM x:1\nRUN a\nRUN --mount=type=cache,target=/c b\nRUN c\n'), [])
})

test('package lists: what the same RUN removes, or a mount holds, is not kept', () => {
  const rule = 'PackageListsKept'
  const kept = (run: string) => of(rule, `FROM x:1\n${run}\n`).length
  assert.equal(kept('RUN apt-get update && apt-get install -y curl'), 1)
  assert.equal(
    kept('RUN apt-get update && \\\n    apt-get install -y curl \\\n && rm -rf /var/lib/apt/lists/*'),
    0,
  )
  assert.equal(
    kept('RUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install -y curl'),
    0,
  )
  assert.equal(kept('RUN apk add curl'), 1)
  assert.equal(kept('RUN apk add --no-cache curl'), 0)
  assert.equal(kept('RUN dnf install -y curl'), 1)
  assert.equal(kept('RUN dnf install -y curl && dnf clean all'), 0)
  assert.equal(kept('RUN echo "apt-get install curl"'), 0)
  assert.equal(kept('RUN <<EOF\napt-get update\napt-get install -y curl\nEOF'), 1)
  assert.equal(kept('RUN ["apt-get", "update"]'), 1)
})

test('build tools: in the final image, and not taken away again', () => {
  const rule = 'BuildToolsInFinalImage'
  assert.deepEqual(of(rule, 'FROM x:1\nRUN apt-get install -y build-essential libpq-dev curl\n'), [
    '2 build-essential, libpq-dev stay in the final image',
  ])
  assert.deepEqual(of(rule, 'FROM x:1 AS b\nRUN apt-get install -y gcc\nFROM y:1\nCOPY --from=b /a /a\n'), [])
  assert.deepEqual(of(rule, 'FROM x:1\nRUN apk add --no-cache --virtual .d gcc && make && apk del .d\n'), [])
  assert.equal(of(rule, 'FROM golang:1.22\nRUN go build\n').length, 1)
  assert.deepEqual(of(rule, 'FROM golang:1.22 AS b\nFROM alpine:3.20\nCOPY --from=b /a /a\n'), [])
})

test('who runs the image: root unless a USER says otherwise', () => {
  const rule = 'RunsAsRoot'
  assert.deepEqual(of(rule, 'FROM x:1\nUSER app\nRUN a\nUSER root\nCMD ["a"]\n'), [
    '4 The image runs as root',
  ])
  assert.deepEqual(of(rule, 'FROM x:1 AS a\nUSER 1000:1000\nFROM a\nCMD ["a"]\n'), [])
  assert.deepEqual(of(rule, 'FROM x:1\nRUN a\n'), [])
})

test('tests run in the final image, or in a stage of their own', () => {
  const rule = 'TestsInBuild'
  for (const run of [
    'npm test',
    'npm run test:unit',
    'pytest -q',
    'python -m pytest',
    'go test ./...',
    'mvn -B verify',
    'make check',
    'bundle exec rspec',
    'bundle exec rake',
  ])
    assert.equal(of(rule, `FROM x:1\nRUN ${run}\n`).length, 1, run)
  assert.deepEqual(of(rule, 'FROM x:1\nRUN bundle exec rake assets:precompile\n'), [])
  assert.deepEqual(of(rule, 'FROM x:1 AS base\nFROM base AS test\nRUN npm test\nFROM base\nCMD ["a"]\n'), [])
})

test('the socket: volumes, mounts, DOCKER_HOST and commands that touch it', () => {
  for (const line of [
    'VOLUME ["/var/run/docker.sock"]',
    'ENV DOCKER_HOST=unix:///var/run/docker.sock',
    'RUN chmod 666 /var/run/docker.sock',
    'RUN --mount=type=bind,target=/run/docker.sock docker ps',
    'LABEL run="docker run -v /var/run/docker.sock:/var/run/docker.sock x"',
  ])
    assert.equal(of('DockerSocket', `FROM x:1\n${line}\n`).length, 1, line)
  assert.deepEqual(of('DockerSocket', 'FROM x:1\nENV A=/run/other.sock DOCKER_HOST=tcp://dind:2376\n'), [])
})

test('values that look like secrets are told without being quoted', () => {
  const github = `ghp_${'a1B2'.repeat(9)}`
  const harmless = [
    'hello',
    'https://user@host/x',
    'https://$USER:$PASS@host/',
    'sk-learn',
    '',
    'postgres://db:5432/mydb',
  ]
  for (const text of harmless) assert.equal(secretIn(text), undefined, text)
  assert.equal(secretIn(`x=${github}`), 'a GitHub token')
  assert.equal(secretIn('postgres://me:hunter22@db/x'), 'a password in an URL')
  assert.equal(secretIn('-----BEGIN OPENSSH PRIVATE KEY-----'), 'a private key')
  const rule = 'SecretValue'
  assert.deepEqual(of(rule, 'FROM x:1\nARG CODE\n', { args: { CODE: github } }), [
    "2 The build argument CODE seems to be a GitHub token: it stays readable in the image's history",
  ])
  assert.equal(of(rule, `FROM x:1\nRUN curl -H "Authorization: ${github}" https://x\n`).length, 1)
  assert.equal(of(rule, 'FROM x:1\nCOPY <<EOF /k\n-----BEGIN RSA PRIVATE KEY-----\nEOF\n').length, 1)
})

test('files that hold secrets, by name', () => {
  for (const path of [
    '.env',
    'a/.env.production',
    'id_rsa',
    '.ssh/',
    'tls.key',
    'server-key.pem',
    '.npmrc',
    'x.p12',
  ])
    assert.ok(isSecretFile(path), path)
  for (const path of [
    '.env.example',
    'id_rsa.pub',
    'cert.pem',
    'keyboard',
    'src/key.ts',
    'monkey',
    'env',
    'public.key.txt',
  ])
    assert.ok(!isSecretFile(path), path)
})

test('arrays with a fault are told apart from tests of the shell', () => {
  const found = (line: string) => check(`FROM x:1\n${line}\n`).find(({ rule }) => rule === 'BrokenJsonForm')
  for (const [line, fault, better] of [
    [`CMD ['a', 'b']`, 'double quotes', 'CMD ["a", "b"]'],
    ['CMD ["a", "b",]', 'comma too many', 'CMD ["a", "b"]'],
    ['CMD ["a"] # start', 'does not start a comment', 'CMD ["a"]'],
    ['ENTRYPOINT ["a", "b"', 'bracket is wrong', 'ENTRYPOINT ["a", "b"]'],
    [`VOLUME ['/data']`, 'double quotes', 'VOLUME ["/data"]'],
    [`COPY --chown=a ['x', '/y']`, 'double quotes', 'COPY ["x", "/y"]'],
  ] as const) {
    assert.match(found(line)?.message ?? '', new RegExp(fault), line)
    assert.equal(found(line)?.better, better)
  }
  for (const line of [
    'RUN [ "$a" = "b" ] && c',
    'RUN [ -f a ]',
    'RUN [ "$a" ]',
    'CMD ["a", "b"]',
    'CMD [[ a ]]',
  ])
    assert.equal(found(line), undefined, line)
})

test('rules are spared by a comment above, and levels set by options', () => {
  const text = 'FROM x:1\n# gantry-check skip=RunsAsRoot, NoHealthcheck\nCMD ["a"]\n'
  assert.deepEqual(check(text), [])
  const leveled = checkText({
    name: 'Dockerfile',
    text: '# check=level=RunsAsRoot:error,NoHealthcheck:warning\nFROM x:1\nCMD ["a"]\n',
    buildArgs: {},
    allStages: true,
    baseImage: () => undefined,
    sources: { project: '# ours\nskip=BaseImageTag\n' },
  })
  assert.deepEqual(
    leveled.findings.map(({ rule, level }) => `${rule} ${level}`),
    ['RunsAsRoot error', 'NoHealthcheck warning'],
  )
  assert.equal(leveled.error?.message, 'lint violation found for rules: RunsAsRoot')
})

test('no rule is newer than the newest rule set', () => {
  for (const rule of ruleList) assert.ok(rule.since <= latestVersion, rule.name)
})

test('long and strange text takes no time', () => {
  const started = process.cpuUsage()
  for (const piece of ['a && ', '-----BEGIN A A A ', 'x://a:', '"', "'a' ", '\\\n', '{;}|&', 'eyJaaaaaaaa.'])
    check(`FROM x:1\nRUN ${piece.repeat(10_000)}\n`.replace(/\\\n$/, '\n'))
  check(`FROM x:1\n${'RUN apt-get update\n'.repeat(1000)}`)
  // Time of this process, not of what else the machine does: something quadratic would take minutes.
  assert.ok(process.cpuUsage(started).user < 5_000_000)
})
