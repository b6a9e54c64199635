import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine } from './engines.ts'
import type { Scenario } from './scenarios.ts'

/** What builds read: made by `makeContexts` below one folder. */
const contexts = { big: 'big', stages: 'stages', steps: 'steps' } as const

/** A context of 5,000 files and 120 MB, as applications have, and two small ones. */
export function makeContexts(folder: string, image: string): void {
  const write = (context: string, path: string, content: string | Buffer) => {
    mkdirSync(join(folder, context, path, '..'), { recursive: true })
    writeFileSync(join(folder, context, path), content)
  }
  const dockerfile = (context: string, ...lines: string[]) =>
    write(context, 'Dockerfile', `FROM ${image}\n${lines.join('\n')}\n`)
  const block = Buffer.alloc(24 << 10, 'gantry ')
  for (let i = 0; i < 5000; i++) {
    block.write(`${i}`.padStart(8), 0)
    write(contexts.big, `src/${i % 50}/${i}.txt`, block)
  }
  dockerfile(contexts.big, 'RUN echo installed > /installed', 'COPY . /app', 'RUN ls /app > /listed')
  const stage = (name: string) => [`RUN sleep 1 && echo ${name} > /${name}`]
  write(
    contexts.stages,
    'Dockerfile',
    [
      `FROM ${image} AS a`,
      ...stage('a'),
      `FROM ${image} AS b`,
      ...stage('b'),
      `FROM ${image}`,
      'COPY --from=a /a /',
      'COPY --from=b /b /',
      '',
    ].join('\n'),
  )
  write(contexts.steps, 'file', 'content\n')
  const steps = Array.from({ length: 15 }, (_, i) => [`RUN echo ${i} > /${i}`, `COPY file /copies/${i}`])
  dockerfile(contexts.steps, ...steps.flat())
}

export function buildScenarios(folder: string, prefix: string): Scenario[] {
  const build = async (engine: Engine, context: string, ...flags: string[]) => {
    const args = ['build', '-q', '-t', `${prefix}-built`, ...flags, join(folder, context)]
    await engine.run(args, { discard: true })
  }
  const after = async (engine: Engine) => void (await engine.run(['rmi', '-f', `${prefix}-built`]))
  return [
    {
      name: 'build, all cached',
      rounds: 5,
      before: (engine) => build(engine, contexts.big),
      work: (engine) => build(engine, contexts.big),
    },
    {
      name: 'build, one file changed',
      rounds: 5,
      before: (engine) => build(engine, contexts.big),
      setup: (engine, round) => {
        const file = join(folder, contexts.big, 'src/0/0.txt')
        writeFileSync(file, `${engine.name} ${round} ${Date.now()}`)
        return Promise.resolve()
      },
      work: (engine) => build(engine, contexts.big),
    },
    {
      name: 'build --no-cache',
      rounds: 3,
      work: (engine) => build(engine, contexts.big, '--no-cache'),
    },
    {
      name: 'build --no-cache, two stages of 1 s',
      rounds: 3,
      work: (engine) => build(engine, contexts.stages, '--no-cache'),
    },
    {
      name: 'build, 30 steps cached',
      rounds: 7,
      before: (engine) => build(engine, contexts.steps),
      work: (engine) => build(engine, contexts.steps),
      after,
    },
  ]
}
