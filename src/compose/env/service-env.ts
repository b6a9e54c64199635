/** The variables of a service's containers: each with where its value is from, and what that stands instead of. */
import { EngineError } from '../../lib/errors.ts'
import { fromPairs } from '../forms/sequences.ts'
import { itemsOf } from '../model/shape.ts'
import type { Project } from '../model/project-model.ts'
import { beatenBy, get, nowhere, printed, scalar, textOf, type Place, type UsedVariable } from '../node.ts'
import { shownFile } from '../scope.ts'
import { withEnvFiles } from '../service-environment.ts'

export interface EnvSource {
  readonly kind: 'environment' | 'env_file' | 'image'
  /** Null: the name has no value anywhere. In a container that takes the variable away, even the image's. */
  readonly value: string | null
  /** `nowhere` for the image. */
  readonly at: Place
  /** What was replaced in the value, or whose value it took. */
  readonly variables: readonly UsedVariable[]
}

export interface EnvVariable {
  readonly name: string
  /** The first one counts; the others are what it beat, the strongest first. */
  readonly sources: readonly [EnvSource, ...EnvSource[]]
}

export interface EnvOptions {
  /** `NAME=value` of the image's configuration; empty when it is not known. */
  readonly imageEnv: readonly string[]
  readonly warn: (text: string) => void
}

/** Sorted by name. Throws ComposeError for an env file that cannot be read. */
export function serviceEnv(project: Project, name: string, { imageEnv, warn }: EnvOptions): EnvVariable[] {
  const service = get(project.tree, 'services', name)
  if (service?.kind !== 'mapping') throw new EngineError('not-found', `no such service: ${name}`)
  const { environment, sources } = project
  const files = new Set(envFilesOf(service))
  const whole = withEnvFiles(service, { environment, sources, warn })
  const all = new Map<string, [EnvSource, ...EnvSource[]]>()
  for (const [key, { at, value }] of fromPairs(get(whole, 'environment') ?? scalar(null))?.entries ?? []) {
    const source = (text: string | null, place: Place): EnvSource => ({
      kind: files.has(place.file) ? 'env_file' : 'environment',
      value: text,
      at: place,
      variables: place.variables ?? [],
    })
    const text = value.kind === 'scalar' && value.value !== null ? printed(value) : null
    const { file, line, column } = at
    const beaten = beatenBy(value.at).map((each) => source(each.value, each.at))
    all.set(key, [source(text, { ...value.at, file, line, column }), ...beaten])
  }
  for (const pair of imageEnv) {
    const [, key = pair, value = ''] = /^([^=]*)=(.*)$/s.exec(pair) ?? []
    const image: EnvSource = { kind: 'image', value, at: nowhere, variables: [] }
    const [first, ...more] = all.get(key) ?? [image]
    all.set(key, first === image ? [image] : [first, ...more, image])
  }
  return Array.from(all, ([key, found]) => ({ name: key, sources: found })).toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  )
}

/** As places name them. */
function envFilesOf(service: Parameters<typeof get>[0]): string[] {
  const files = get(service, 'env_file')
  return (files ? itemsOf(files) : []).map((file) =>
    shownFile(textOf(get(file, 'path')) ?? textOf(file) ?? ''),
  )
}
