/**
 * Go's text/template, as far as docker's `--format` uses it, over JSON data: fields, methods, variables, pipelines,
 * if/else, with, range, define, template, block, docker's and Go's functions. Errors read as Go's.
 *
 * JSON does not say which objects are structs and which are maps; Go's output depends on it. Objects in the set that
 * `asMap` fills are maps (`map[a:1]`, a missing key is `<no value>`), all others are structs (`{1 2}`, a missing field
 * is an error).
 */
import { callFunction, isFunction } from './go-template-functions.ts'
import { formatValue, isMap, isTrue, MethodSet } from './go-template-values.ts'
import {
  parseTemplate,
  position,
  TemplateError,
  type At,
  type Command,
  type Node,
  type Operand,
  type Pipe,
  type Tree,
} from './go-template-parse.ts'

export { TemplateError } from './go-template-parse.ts'
export { asMap, formatValue, MethodSet, nilList, nilMap } from './go-template-values.ts'

export interface ExecuteOptions {
  /** Go type that a missing field is reported for; without it: `map has no entry for key`. */
  readonly typeName?: string
  /** What faults call the template. */
  readonly name?: string
}

/** A parsed template: parse once, execute for each row. */
export class Template {
  readonly #source: string
  readonly #tree: Tree

  private constructor(source: string, tree: Tree) {
    this.#source = source
    this.#tree = tree
  }

  /** Throws TemplateError: `template: :1: unclosed action`. */
  static parse(source: string): Template {
    return new Template(source, parseTemplate(source, isFunction))
  }

  /** Throws TemplateError: `template: :1:2: executing "" at <.X>: …`. */
  execute(data: unknown, options: ExecuteOptions = {}): string {
    const run = new Execution(this.#source, this.#tree, options)
    run.template(this.#tree.nodes, data)
    return run.output
  }

  /** Top-level fields that the template names (`.ID`, `$.ID`): lets a command fetch only what is asked for. */
  fields(): Set<string> {
    const names = new Set<string>()
    JSON.stringify([this.#tree.nodes, ...this.#tree.definitions.values()], (_key, value: unknown) => {
      if (typeof value === 'object' && value !== null && 'type' in value && value.type === 'field') {
        const first = 'names' in value && Array.isArray(value.names) ? (value.names[0] as unknown) : undefined
        if (typeof first === 'string') names.add(first)
      }
      return value
    })
    return names
  }
}

/** A field that Go's struct has, and that the data itself has not. */
function isLeftOut(value: unknown, name: string): value is object {
  if (typeof value !== 'object' || value === null) return false
  const field = Object.getOwnPropertyDescriptor(value, name)
  return field !== undefined && field.enumerable === false && field.value === null
}

/** Definitions may call themselves, with JavaScript's stack in mind. */
const deepest = 500

class Break extends Error {}
class Continue extends Error {}

class Execution {
  output = ''
  readonly #source: string
  readonly #options: ExecuteOptions
  readonly #tree: Tree
  #variables: { name: string; value: unknown }[] = []
  #depth = 0

  constructor(source: string, tree: Tree, options: ExecuteOptions) {
    this.#source = source
    this.#tree = tree
    this.#options = options
  }

  /** The format itself, or one that it defines: `$` is what it is given. */
  template(nodes: readonly Node[], data: unknown): void {
    const outer = this.#variables
    this.#variables = [{ name: '$', value: data }]
    this.#depth++
    this.nodes(nodes, data)
    this.#depth--
    this.#variables = outer
  }

  nodes(nodes: readonly Node[], dot: unknown): void {
    for (const node of nodes) this.#node(node, dot)
  }

  #node(node: Node, dot: unknown): void {
    switch (node.type) {
      case 'text':
        this.output += node.text
        return
      case 'action': {
        const value = this.#pipe(node.pipe, dot)
        if (node.pipe.variables.length === 0) this.output += formatValue(value, 'top')
        return
      }
      case 'template': {
        const body = this.#tree.definitions.get(node.name)
        if (!body) throw this.#fail(node.at, `template ${JSON.stringify(node.name)} not defined`)
        if (this.#depth > deepest) throw this.#fail(node.at, `exceeded maximum template depth (${deepest})`)
        this.template(body, node.pipe && this.#pipe(node.pipe, dot))
        return
      }
      case 'break':
        throw new Break()
      case 'continue':
        throw new Continue()
      case 'if':
      case 'with': {
        const mark = this.#variables.length
        const value = this.#pipe(node.pipe, dot)
        if (isTrue(value)) this.nodes(node.body, node.type === 'with' ? value : dot)
        else this.nodes(node.otherwise, dot)
        this.#variables.length = mark
        return
      }
      case 'range':
        this.#range(node, dot)
    }
  }

  #range(node: Extract<Node, { type: 'if' | 'with' | 'range' }>, dot: unknown): void {
    const mark = this.#variables.length
    const value = this.#value(node.pipe, dot)
    const entries = this.#entries(value, node.pipe.at)
    try {
      for (const [key, item] of entries) {
        this.#variables.length = mark
        const [first, second] = node.pipe.variables
        if (first !== undefined && second !== undefined) {
          this.#set(first, key, node.pipe.declares)
          this.#set(second, item, node.pipe.declares)
        } else if (first !== undefined) this.#set(first, item, node.pipe.declares)
        try {
          this.nodes(node.body, item)
        } catch (error) {
          if (!(error instanceof Continue)) throw error
        }
      }
    } catch (error) {
      if (!(error instanceof Break)) throw error
    }
    this.#variables.length = mark
    if (entries.length === 0) this.nodes(node.otherwise, dot)
  }

  #entries(value: unknown, at: At): (readonly [unknown, unknown])[] {
    if (value === null || value === undefined) return []
    if (Array.isArray(value)) return value.map((item: unknown, index) => [index, item] as const)
    if (typeof value === 'number')
      return Array.from({ length: Math.max(0, value) }, (_, i) => [i, i] as const)
    if (typeof value === 'object')
      return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    throw this.#fail(at, `range can't iterate over ${formatValue(value)}`)
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    const value = this.#value(pipe, dot)
    for (const name of pipe.variables) this.#set(name, value, pipe.declares)
    return value
  }

  #value(pipe: Pipe, dot: unknown): unknown {
    let value: unknown
    for (const [index, command] of pipe.commands.entries())
      value = this.#command(command, dot, index === 0 ? [] : [value])
    return value
  }

  /** `piped` holds the value of the stage before, which becomes the last argument. */
  #command(command: Command, dot: unknown, piped: readonly unknown[]): unknown {
    const [head, ...rest] = command.operands
    if (head === undefined) return undefined
    const lazy = rest.map((operand) => () => this.#operand(operand, dot, []))
    if (head.type === 'function') {
      const call = [...lazy, ...piped.map((value) => () => value)]
      return this.#call(head.name, call, command.at)
    }
    if (head.type !== 'field') {
      if (lazy.length > 0 || piped.length > 0)
        throw this.#fail(head.at, `can't give argument to non-function ${head.at.text}`)
      return this.#operand(head, dot, [])
    }
    return this.#operand(head, dot, [...lazy.map((argument) => argument()), ...piped])
  }

  #call(name: string, call: (() => unknown)[], at: At): unknown {
    try {
      return callFunction(name, call)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw this.#fail(at, `error calling ${name}: ${error.message}`)
    }
  }

  #operand(operand: Operand, dot: unknown, parameters: readonly unknown[]): unknown {
    switch (operand.type) {
      case 'dot':
        return dot
      case 'literal':
        return operand.value
      case 'variable':
        return this.#variables.findLast((variable) => variable.name === operand.name)?.value
      case 'function':
        return this.#call(operand.name, [], operand.at)
      case 'pipe':
        return this.#value(operand.pipe, dot)
      case 'field': {
        let value = operand.base ? this.#operand(operand.base, dot, []) : dot
        for (const [index, name] of operand.names.entries()) {
          const last = index === operand.names.length - 1
          // Docker: a field that the API left out is said to be missing where more is asked of it.
          if (!last && isLeftOut(value, name)) throw this.#missing(value, name, operand.at)
          value = this.#field(value, name, last ? parameters : [], operand.at)
        }
        return value
      }
    }
  }

  #field(receiver: unknown, name: string, parameters: readonly unknown[], at: At): unknown {
    if (receiver === null || receiver === undefined)
      throw this.#fail(at, `nil pointer evaluating interface {}.${name}`)
    if (receiver instanceof MethodSet) {
      const method = receiver.method(name)
      if (method === undefined) throw this.#missing(receiver, name, at)
      return method(...parameters)
    }
    if (typeof receiver !== 'object')
      throw this.#fail(at, `can't evaluate field ${name} in type interface {}`)
    if (parameters.length > 0) throw this.#fail(at, `${name} has arguments but cannot be invoked as function`)
    // Decoded JSON: any key may be asked for, but nothing inherited.
    if (Object.hasOwn(receiver, name)) return (receiver as Record<string, unknown>)[name]
    if (isMap(receiver)) return undefined
    throw this.#missing(receiver, name, at)
  }

  #missing(receiver: object, name: string, at: At): TemplateError {
    if (Array.isArray(receiver)) return this.#fail(at, `can't evaluate field ${name} in type []interface {}`)
    return this.#fail(
      at,
      this.#options.typeName === undefined
        ? `map has no entry for key "${name}"`
        : `can't evaluate field ${name} in type ${this.#options.typeName}`,
    )
  }

  #set(name: string, value: unknown, declares: boolean): void {
    const known = declares ? undefined : this.#variables.findLast((variable) => variable.name === name)
    if (known) known.value = value
    else this.#variables.push({ name, value })
  }

  #fail(at: At, message: string): TemplateError {
    const { line, column } = position(this.#source, at.offset)
    const { name = '' } = this.#options
    return new TemplateError(
      `template: ${name}:${line}:${column}: executing "${name}" at <${at.text}>: ${message}`,
    )
  }
}
