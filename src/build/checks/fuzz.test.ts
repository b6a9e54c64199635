import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EngineError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { seededChoice } from '../../lib/seeded-random.ts'
import { answerCheck } from './answer.ts'

const pieces = [
  'FROM scratch',
  'FROM busybox AS A',
  'from $X as a',
  'FROM --platform=$TARGETPLATFORM a',
  'ARG X=${Y:-$Z}',
  'ARG TOKEN',
  'ENV A=$B C',
  'ENV a b',
  'RUN apt-get update',
  'RUN <<EOF\napt install gcc\nEOF',
  'RUN ["sh","-c","npm ci"]',
  'RUN --mount=type=secret,id=a,required x "',
  'RUN a && \\\n\n b',
  "RUN 'a",
  'COPY . .',
  'COPY --from=0 a b',
  'COPY <<A <<B /x\na\nA\nb\nB',
  'ADD http://x/y /z',
  'ADD a b',
  'COPY .env /',
  'WORKDIR a # b',
  'USER root',
  'EXPOSE 1:2/TCP $P',
  'CMD a',
  'ENTRYPOINT ["a"]',
  'HEALTHCHECK NONE',
  'VOLUME ["/var/run/docker.sock"]',
  'LABEL a',
  'SHELL ["a"]',
  'ONBUILD RUN x',
  'MAINTAINER m',
  'STOPSIGNAL 9',
  '# check=skip=all',
  '# gantry-check skip=all',
  '# X is x',
  '',
  '\\',
  'NOPE',
  '$',
  '${',
  '\u{1f600}',
  '\0',
  '"',
  '`',
]

test('whatever the text, there is an answer or a clear fault, soon', async () => {
  const random = seededChoice(4711)
  let answers = 0
  for (let round = 0; round < 600; round++) {
    const lines = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)] ?? '')
    let text = ['FROM scratch', ...lines].slice(random(2)).join(random(20) === 0 ? '\r\n' : '\n')
    for (let cut = random(4); cut > 0; cut--) {
      const at = random(text.length)
      text =
        text.slice(0, at) +
        (pieces[random(pieces.length)] ?? '').slice(0, random(5)) +
        text.slice(at + random(3))
    }
    const ignore = { name: '.dockerignore', text: ['*', '!a', '**/b', '', '# x'].slice(random(4)).join('\n') }
    for (const method of ['lint', 'outline', 'targets'] as const)
      try {
        const { report } = await answerCheck(
          background(silentLogger),
          {
            method,
            name: 'Dockerfile',
            text,
            buildArgs: { X: 'a', Z: '$' },
            files: ['.env', '.git'],
            ...(random(2) && { ignore }),
            ...(random(3) === 0 && { target: 'a' }),
          },
          {
            findImage: (ref) => {
              throw new EngineError('not-found', ref)
            },
          },
        )
        const last = text.split('\n').length
        for (const { startLine, endLine, message } of report?.findings ?? []) {
          assert.ok(
            startLine >= 1 && startLine <= endLine && endLine <= last,
            `${startLine}-${endLine} of ${last}`,
          )
          assert.ok(message.length > 0 && !message.includes('undefined,'), message)
        }
        answers++
      } catch (error) {
        // Options, ignore patterns: one sentence that says what is wrong.
        assert.ok(error instanceof EngineError && error.kind === 'invalid', `${String(error)}\n${text}`)
      }
  }
  assert.ok(answers > 600)
})
