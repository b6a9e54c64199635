/** What somebody who publishes an application has to allow, or cannot. */
import { existsSync, readFileSync } from 'node:fs'
import { EngineError } from '../../lib/errors.ts'
import { looksSecret } from '../../lib/looks-secret.ts'
import { masked } from '../env/mask-secrets.ts'
import type { Project } from '../model/project-model.ts'

/** Throws kind `invalid`, in docker compose's words. */
export function checkPublishable(project: Project, { withEnv }: { withEnv: boolean }): void {
  const built = [...project.services].flatMap(([name, service]) =>
    service.image === '' && service.build ? [`- ${JSON.stringify(name)}\n`] : [],
  )
  if (built.length > 0)
    throw new EngineError(
      'invalid',
      `your Compose stack cannot be published as it only contains a build section for service(s):\n${built.join('')}`,
    )
  const environments = [...project.services].flatMap(([name, { env_file, environment }]) => [
    ...(env_file.length > 0 ? [`service ${JSON.stringify(name)} has env_file declared.\n`] : []),
    ...(environment.size > 0
      ? [`service ${JSON.stringify(name)} has environment variable(s) declared.\n`]
      : []),
  ])
  const configs = [...project.configs].flatMap(([name, config]) =>
    config.environment === ''
      ? []
      : [`config ${JSON.stringify(name)} is declare as an environment variable.\n`],
  )
  const all = [...environments, ...configs]
  if (!withEnv && all.length > 0)
    throw new EngineError(
      'invalid',
      `${all.join('')}To avoid leaking sensitive data, you must either explicitly allow the sending of environment variables by using the --with-env flag,\nor remove sensitive data from your Compose configuration`,
    )
}

/** Questions, each with what it is about; a yes to all of them is wanted. */
export function publishQuestions(project: Project): string[] {
  const binds = [...project.services].flatMap(([name, { volumes }]) =>
    volumes.flatMap((each) =>
      each.type === 'bind'
        ? [`${name}  ${each.source}:${each.target}:${each.read_only ? 'ro' : 'rw'}\n`]
        : [],
    ),
  )
  const secrets = secretsOf(project).map((name) => `${JSON.stringify(name)}: ${masked}\n`)
  const variables = [...project.services].flatMap(([name, { environment }]) =>
    environment.size === 0 ? [] : [`Service/Config  ${name}\n`, ...Array.from(environment, shown)],
  )
  return [
    ...(binds.length === 0
      ? []
      : [
          `you are about to publish bind mounts declaration within your OCI artifact.\nonly the bind mount declarations will be added to the OCI artifact (not content)\nplease double check that you are not mounting potential user's sensitive directories or data\n${binds.join('')}Are you ok to publish these bind mount declarations?`,
        ]),
    ...(secrets.length === 0
      ? []
      : [
          `you are about to publish sensitive data within your OCI artifact.\nplease double check that you are not leaking sensitive data\n${secrets.join('')}Are you ok to publish these sensitive data?`,
        ]),
    ...(variables.length === 0
      ? []
      : [
          `you are about to publish environment variables within your OCI artifact.\nplease double check that you are not leaking sensitive data\n${variables.join('')}Are you ok to publish these environment variables?`,
        ]),
  ]
}

function shown([key, value]: readonly [string, string | null]): string {
  return `${key}=${looksSecret(key, value ?? '') ? masked : (value ?? '')}\n`
}

/** Where something stands that looks like a secret, in what would be published. */
function secretsOf(project: Project): string[] {
  const inText = (text: string, where: string) =>
    text.split('\n').flatMap((line, index) => {
      const [, key = '', value = ''] = /^\s*([\w.-]+)\s*[=:]\s*["']?(.+?)["']?\s*$/.exec(line) ?? []
      return looksSecret(value === '' ? '' : key, value || line) ? [`${where}:${index + 1}`] : []
    })
  const services = [...project.services].flatMap(([name, { environment, env_file }]) => [
    ...Array.from(environment).flatMap(([key, value]) =>
      value !== null && value !== '' && looksSecret(key, value)
        ? [`services.${name}.environment.${key}`]
        : [],
    ),
    ...env_file.flatMap(({ path }) => (existsSync(path) ? inText(readFileSync(path, 'utf8'), path) : [])),
  ])
  const contents = [...project.configs].flatMap(([name, { content }]) =>
    content === '' ? [] : inText(content, `configs.${name}.content`),
  )
  return [...new Set([...services, ...contents])]
}
