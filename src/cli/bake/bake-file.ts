import { evaluate, inner, type Scope } from './hcl-evaluate.ts'
import { callFunction } from './hcl-functions.ts'
import { HclError, type Block, type Body, type Expression, type Value } from './hcl-syntax.ts'
import { isMap, show, toBoolean, toList, toMap, toNumber, toText } from './hcl-values.ts'

/** One target or group with all its attributes as values. */
export interface Definition {
  readonly name: string
  readonly attributes: ReadonlyMap<string, Value>
}

export interface BakeDefinitions {
  /** Later ones are laid over earlier ones of the same name. */
  readonly targets: readonly Definition[]
  readonly groups: readonly Definition[]
}

const maxCombinations = 10_000

/** What the files say, once variables have their values. `env` overrides variables that a file declares. */
export function readDefinitions(
  files: readonly Body[],
  o: { env: NodeJS.ProcessEnv; builtins: ReadonlyMap<string, string> },
): BakeDefinitions {
  return new Reader(files, o).read()
}

class Reader {
  readonly #attributes = new Map<string, Expression>()
  readonly #variables = new Map<string, Block>()
  readonly #functions = new Map<string, Block>()
  readonly #blocks: Block[] = []
  readonly #env: NodeJS.ProcessEnv
  readonly #builtins: ReadonlyMap<string, string>
  readonly #known = new Map<string, Value>()
  /** What is being worked out: met again, it depends on itself. */
  readonly #open = new Set<string>()
  readonly #scope: Scope

  constructor(files: readonly Body[], o: { env: NodeJS.ProcessEnv; builtins: ReadonlyMap<string, string> }) {
    this.#env = o.env
    this.#builtins = o.builtins
    for (const { attributes, blocks } of files) {
      for (const [name, value] of attributes) this.#attributes.set(name, value)
      for (const block of blocks) this.#sort(block)
    }
    this.#scope = {
      get: (name) => this.#variable(name),
      blockAttribute: (type, block, attribute) => this.#blockAttribute(type, block, attribute),
      call: (name, args) => this.#call(name, args),
    }
  }

  read(): BakeDefinitions {
    for (const name of this.#variables.keys()) this.#validate(name)
    const targets: Definition[] = []
    const groups: Definition[] = []
    for (const block of this.#blocks) {
      const name = checkName(block)
      if (block.type === 'group') {
        groups.push({ name, attributes: this.#values(block, this.#scope) })
        continue
      }
      const matrix = block.body.attributes.get('matrix')
      if (!matrix) {
        if (block.body.attributes.has('name'))
          throw new HclError(`target ${JSON.stringify(name)}: "name" goes with "matrix"`)
        targets.push({ name, attributes: this.#values(block, this.#scope) })
        continue
      }
      const made = this.#combinations(name, block, matrix)
      targets.push(...made)
      groups.push({ name, attributes: new Map([['targets', made.map((each) => each.name)]]) })
    }
    return { targets, groups }
  }

  #sort(block: Block): void {
    const [label] = block.labels
    switch (block.type) {
      case 'variable':
        if (label !== undefined) this.#variables.set(label, block)
        return
      case 'function':
        if (label !== undefined) this.#functions.set(label, block)
        return
      case 'target':
      case 'group':
        this.#blocks.push(block)
        return
      default:
        throw new HclError(`there are no blocks of type ${JSON.stringify(block.type)} in bake files`)
    }
  }

  #values(block: Block, scope: Scope): Map<string, Value> {
    const where = `${block.type} ${JSON.stringify(block.labels[0] ?? '')}`
    if (block.body.blocks.length > 0)
      throw new HclError(`${where}: there are no blocks in it, only attributes`)
    const values = new Map<string, Value>()
    for (const [name, expression] of block.body.attributes) {
      if (name === 'matrix' || name === 'name') continue
      values.set(
        name,
        within(`${where}, ${name}`, () => evaluate(expression, scope)),
      )
    }
    return values
  }

  #combinations(name: string, block: Block, matrix: Expression): Definition[] {
    const nameOf = block.body.attributes.get('name')
    if (!nameOf)
      throw new HclError(`target ${JSON.stringify(name)}: a matrix needs a "name" for each of its targets`)
    const axes = within(`target ${JSON.stringify(name)}, matrix`, () =>
      [...toMap(evaluate(matrix, this.#scope))].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
    let combinations: Map<string, Value>[] = [new Map()]
    for (const [axis, values] of axes) {
      combinations = toList(values).flatMap((value) =>
        combinations.map((before) => new Map([...before, [axis, value]])),
      )
      if (combinations.length > maxCombinations)
        throw new HclError(
          `target ${JSON.stringify(name)}: its matrix has more than ${maxCombinations} combinations`,
        )
    }
    return combinations.map((values) => {
      const scope = inner(this.#scope, values)
      const own = within(`target ${JSON.stringify(name)}, name`, () => toText(evaluate(nameOf, scope)))
      checkTargetName(own)
      return { name: own, attributes: this.#values(block, scope) }
    })
  }

  #variable(name: string): Value {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    if (this.#open.has(name)) throw new HclError(`variable cycle not allowed: ${name}`)
    this.#open.add(name)
    try {
      const value = within(`variable ${JSON.stringify(name)}`, () => this.#valueOf(name))
      this.#known.set(name, value)
      return value
    } finally {
      this.#open.delete(name)
    }
  }

  #valueOf(name: string): Value {
    // What is set at the top of a file is the value, whatever a variable of that name says.
    const attribute = this.#attributes.get(name)
    const block = this.#variables.get(name)
    const builtin = this.#builtins.get(name)
    const given = block || builtin !== undefined ? this.#env[name] : undefined
    if (!attribute && !block) {
      if (builtin === undefined) throw new HclError('it does not exist')
      return given ?? builtin
    }
    const expression = attribute ?? block?.body.attributes.get('default')
    const type = typeOf(block)
    const json = block ? this.#env[`${name}_JSON`] : undefined
    if (json !== undefined && type !== 'string') return callFunction('jsondecode', [json])
    const initial = expression ? evaluate(expression, this.#scope) : null
    if (given !== undefined && block) return convert(given, type, initial)
    if (expression) return type === undefined || initial === null ? initial : convert(initial, type, initial)
    return type === undefined ? (builtin ?? '') : null
  }

  #validate(name: string): void {
    for (const { type, body } of this.#variables.get(name)?.body.blocks ?? []) {
      if (type !== 'validation')
        throw new HclError(`variable ${JSON.stringify(name)}: unknown block ${JSON.stringify(type)}`)
      const condition = body.attributes.get('condition')
      if (!condition) throw new HclError(`variable ${JSON.stringify(name)}: a validation needs a condition`)
      const holds = within(`variable ${JSON.stringify(name)}, validation`, () =>
        toBoolean(evaluate(condition, this.#scope)),
      )
      if (holds) continue
      const message = body.attributes.get('error_message')
      throw new HclError(
        message ? toText(evaluate(message, this.#scope)) : `the value of variable ${name} is not valid`,
      )
    }
  }

  /** `target.app.tags` in the value of something else. */
  #blockAttribute(type: string, block: string, attribute: string): Value | undefined {
    if (type !== 'target' && type !== 'group') return undefined
    const found = this.#blocks.findLast(
      (each) => each.type === type && each.labels[0] === block && each.body.attributes.has(attribute),
    )
    const expression = found?.body.attributes.get(attribute)
    if (!expression)
      throw new HclError(`${type} ${JSON.stringify(block)} has no attribute ${JSON.stringify(attribute)}`)
    const key = `${type}.${block}.${attribute}`
    if (this.#open.has(key)) throw new HclError(`variable cycle not allowed: ${key}`)
    this.#open.add(key)
    try {
      return evaluate(expression, this.#scope)
    } finally {
      this.#open.delete(key)
    }
  }

  #call(name: string, args: readonly Value[]): Value {
    const own = this.#functions.get(name)
    if (!own) return callFunction(name, args)
    const { attributes } = own.body
    const params = namesIn(attributes.get('params'))
    const [rest] = namesIn(attributes.get('variadic_params') ?? attributes.get('variadic_param'))
    const result = attributes.get('result')
    if (!result) throw new HclError(`function ${JSON.stringify(name)} has no result`)
    if (args.length < params.length || (args.length > params.length && rest === undefined))
      throw new HclError(`${name}(…) takes ${params.length} arguments, not ${args.length}`)
    const key = `function ${name} ${args.map(show).join()}`
    if (this.#open.has(key)) throw new HclError(`function ${name} calls itself without an end`)
    this.#open.add(key)
    try {
      const names = new Map<string, Value>(params.map((param, index) => [param, args[index] ?? null]))
      if (rest !== undefined) names.set(rest, args.slice(params.length))
      return within(`function ${JSON.stringify(name)}`, () => evaluate(result, inner(this.#scope, names)))
    } finally {
      this.#open.delete(key)
    }
  }
}

function namesIn(expression: Expression | undefined): string[] {
  if (!expression) return []
  const items = expression.kind === 'tuple' ? expression.items : [expression]
  return items.map((item) => {
    if (item.kind === 'name') return item.name
    if (item.kind === 'literal' && typeof item.value === 'string') return item.value
    throw new HclError('parameters of a function are names')
  })
}

/** `type = string`, `list(string)` and so on: the outermost word counts. */
function typeOf(block: Block | undefined): string | undefined {
  const type = block?.body.attributes.get('type')
  if (type?.kind === 'name' || type?.kind === 'call') return type.name
  if (type?.kind === 'literal' && typeof type.value === 'string') return type.value
  return undefined
}

/** A text from the environment in the type that the variable has. */
function convert(given: Value, declared: string | undefined, initial: Value): Value {
  const type =
    declared ??
    (Array.isArray(initial) ? 'list' : isMap(initial) ? 'map' : initial === null ? 'string' : typeof initial)
  switch (type) {
    case 'string':
      return toText(given)
    case 'bool':
    case 'boolean':
      return toBoolean(given)
    case 'number':
      return toNumber(given)
    case 'any':
      return given
    case 'list':
    case 'set':
    case 'tuple':
      if (typeof given !== 'string') return toList(given)
      if (declared === undefined) throw new HclError('unsupported type list: declare it, or use NAME_JSON')
      return given === '' ? [] : given.split(',')
    case 'map':
    case 'object':
      if (typeof given !== 'string') return toMap(given)
      throw new HclError('an object is given by NAME_JSON')
    default:
      throw new HclError(`there is no type ${JSON.stringify(type)}`)
  }
}

function checkName(block: Block): string {
  const [name, ...more] = block.labels
  if (name === undefined || more.length > 0)
    throw new HclError(`a ${block.type} has one name: ${block.type} "NAME" { … }`)
  checkTargetName(name)
  return name
}

export function checkTargetName(name: string): void {
  if (!/^[a-zA-Z0-9_-]+$/.test(name))
    throw new HclError(
      `invalid name ${JSON.stringify(name)}: only "a-z", "A-Z", "0-9", "_" and "-" are allowed`,
    )
}

/** Says where a mistake was met, once. */
function within<T>(where: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof HclError) || /^(?:variable|target|group|function) "/.test(error.message))
      throw error
    throw new HclError(`${where}: ${error.message}`, { cause: error })
  }
}
