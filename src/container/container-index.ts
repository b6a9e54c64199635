import { EngineError } from '../lib/errors.ts'
import type { Container } from './container.ts'

/** Who stands in for a container that has no id yet. */
const beingCreated = 'a container that is being created'

/** All containers by id and name. A name belongs to one container, or to one that is being created. */
export class ContainerIndex {
  readonly #byId = new Map<string, Container>()
  readonly #idByName = new Map<string, string>()

  values(): Iterable<Container> {
    return this.#byId.values()
  }

  get(id: string): Container | undefined {
    return this.#byId.get(id)
  }

  /** Newest first. */
  list(): Container[] {
    return [...this.#byId.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  }

  /** By id, name, or a prefix of an id that only one container has. Throws kinds `not-found` and `invalid`. */
  find(ref: string): Container {
    const name = ref.replace(/^\//, '')
    const exact = this.#byId.get(ref) ?? this.#byId.get(this.#idByName.get(name) ?? '')
    if (exact) return exact
    const matches = /^[0-9a-f]+$/.test(ref) ? [...this.#byId.keys()].filter((id) => id.startsWith(ref)) : []
    if (matches.length > 1)
      throw new EngineError('invalid', `Multiple IDs found with provided prefix: ${ref}`)
    const only = this.#byId.get(matches[0] ?? '')
    if (!only) throw new EngineError('not-found', `No such container: ${ref}`)
    return only
  }

  hasName(name: string): boolean {
    return this.#idByName.has(name)
  }

  /** Keeps a name for a container to come. Throws kind `conflict` when somebody has it. */
  claim(name: string): void {
    this.#refuseTaken(name)
    this.#idByName.set(name, beingCreated)
  }

  /** Gives up a name that was claimed. */
  release(name: string): void {
    if (this.#idByName.get(name) === beingCreated) this.#idByName.delete(name)
  }

  /** Throws kind `conflict` when somebody else has the name, `invalid` when the container itself has. */
  rename(c: Container, name: string): void {
    if (this.#idByName.get(name) === c.id)
      throw new EngineError('invalid', 'Renaming a container with the same name as its current name')
    this.#refuseTaken(name)
    this.#idByName.set(name, c.id)
    this.#idByName.delete(c.name)
  }

  add(c: Container): void {
    this.#byId.set(c.id, c)
    this.#idByName.set(c.name, c.id)
  }

  drop(c: Container): void {
    this.#byId.delete(c.id)
    if (this.#idByName.get(c.name) === c.id) this.#idByName.delete(c.name)
  }

  #refuseTaken(name: string): void {
    const holder = this.#idByName.get(name)
    if (holder !== undefined)
      throw new EngineError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
      )
  }
}
