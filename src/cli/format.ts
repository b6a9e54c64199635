/** `--format` of lists: a table (docker's or the person's own), JSON lines, or a template for each row. */
import { ExitError } from './command.ts'
import { alignTable } from './text.ts'

export interface Column<Row> {
  readonly header: string
  readonly value: (row: Row) => string
}

export interface Listing<Row> {
  /** Go type that docker names when a template asks for a field that is not there. */
  readonly typeName: string
  readonly columns: Readonly<Record<string, Column<Row>>>
  /** Methods with parameters, such as `Label`. */
  readonly methods?: Readonly<Record<string, (row: Row, argument: string) => string>>
  readonly rows: readonly Row[]
  /** Columns of the default table. */
  readonly table: readonly string[]
  /** The column that `--quiet` prints. */
  readonly quiet?: string | undefined
  /** How a template's fault is introduced, where docker does it in words of its own. */
  readonly faults?: { readonly parse: string; readonly execute: string }
}

/** What the list prints. `format` is the flag, or the configured default, or empty. */
export async function renderList<Row>(format: string, listing: Listing<Row>): Promise<string> {
  const { columns, rows, quiet } = listing
  const spec = format.trim() === '' ? 'table' : format.trim()
  if (spec === 'table' || spec === 'raw') {
    if (quiet !== undefined) return rows.map((row) => `${columns[quiet]?.value(row) ?? ''}\n`).join('')
    if (spec === 'table') return plainTable(listing, listing.table)
  }
  const asked = /^table\s+(.*)$/s.exec(spec)?.[1]
  const simple = asked === undefined ? undefined : simpleTable(asked, columns)
  if (simple) return plainTable(listing, simple)
  return renderTemplates(spec, asked, listing)
}

/** `{{.ID}}\t{{.Names}}` needs no template engine. */
function simpleTable(template: string, columns: object): string[] | undefined {
  const names = template.split('\\t').map((cell) => /^\{\{\s*\.(\w+)\s*\}\}$/.exec(cell)?.[1])
  const known = names.filter((name) => name !== undefined && Object.hasOwn(columns, name))
  return known.length === names.length ? (known as string[]) : undefined
}

function plainTable<Row>(listing: Listing<Row>, names: readonly string[]): string {
  const chosen = names.flatMap((name) => listing.columns[name] ?? [])
  return alignTable([
    chosen.map((column) => column.header),
    ...listing.rows.map((row) => chosen.map((column) => column.value(row))),
  ])
}

async function renderTemplates<Row>(
  spec: string,
  table: string | undefined,
  listing: Listing<Row>,
): Promise<string> {
  const { MethodSet, Template, TemplateError } = await import('../lib/go-template.ts')
  const { columns, methods = {}, rows, typeName } = listing
  const { faults = { parse: 'template parsing error', execute: 'template parsing error' } } = listing
  const source = spec === 'json' ? '{{json .}}' : (table ?? spec)
  // Docker: these two escapes work in formats as typed in a shell.
  const text = source.replaceAll('\\t', '\t').replaceAll('\\n', '\n')
  let template
  try {
    template = Template.parse(text)
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, `${faults.parse}: ${error.message}`)
    throw error
  }
  const lines: string[] = []
  if (table !== undefined) {
    const headers = Object.entries(columns).map(([name, column]) => [name, () => column.header] as const)
    const label = (name: string) => (name.split('.').at(-1) ?? '').replaceAll(/[-_]/g, ' ')
    lines.push(
      template.execute(new MethodSet({ ...Object.fromEntries(headers), Label: label }), { typeName }),
    )
  }
  for (const row of rows) {
    const plain = Object.entries(columns).map(([name, column]) => [name, () => column.value(row)] as const)
    const more = Object.entries(methods).map(
      ([name, method]) => [name, (argument: string) => method(row, argument)] as const,
    )
    try {
      lines.push(
        template.execute(new MethodSet({ ...Object.fromEntries(plain), ...Object.fromEntries(more) }), {
          typeName,
        }),
      )
    } catch (error) {
      if (error instanceof TemplateError) throw new ExitError(1, `${faults.execute}: ${error.message}`)
      throw error
    }
  }
  if (table === undefined) return lines.map((line) => `${line}\n`).join('')
  return alignTable(lines.flatMap((line) => line.split('\n')).map((line) => line.split('\t')))
}

/** One object through a template: exit code 64 for one that cannot be read, 1 for one that does not fit. */
export async function renderOne(
  format: string,
  data: object,
  options: { readonly typeName: string; readonly name?: string },
): Promise<string> {
  const { Template, TemplateError } = await import('../lib/go-template.ts')
  let template
  try {
    template = Template.parse(format)
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `template parsing error: ${error.message}`)
    throw error
  }
  try {
    return `${template.execute(data, options)}\n`
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, error.message)
    throw error
  }
}

/** `key=value` pairs of repeated `--filter` flags. */
export function readFilters(values: readonly string[]): Record<string, string[]> {
  const filters: Record<string, string[]> = {}
  for (const value of values) {
    const equals = value.indexOf('=')
    const key = value.slice(0, equals).trim().toLowerCase()
    filters[key] = [...(filters[key] ?? []), value.slice(equals + 1).trim()]
  }
  return filters
}
