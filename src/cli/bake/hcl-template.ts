import type { Scanner } from './hcl-scanner.ts'
import type { Expression, TemplatePart } from './hcl-syntax.ts'

type Parse = (s: Scanner) => Expression

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }

/** `"text ${value} %{ if … }…%{ endif }"` */
export function quotedTemplate(s: Scanner, parse: Parse): Expression {
  s.expect('"')
  const reader = new TemplateReader(s, parse, () => s.text[s.at] === '"')
  const parts = reader.parts()
  if (s.text[s.at] !== '"') s.fail('a string without an end')
  s.at++
  return simplify(parts)
}

/** A whole text as a template: strings of JSON files are. */
export function wholeTemplate(s: Scanner, parse: Parse): Expression {
  return simplify(new TemplateReader(s, parse, () => s.done, { raw: true }).parts())
}

/** `<<EOT` … `EOT`; with `<<-` the common indentation goes. */
export function heredoc(s: Scanner, parse: Parse): Expression {
  s.expect('<<')
  const indented = s.text[s.at] === '-'
  if (indented) s.at++
  const tag = s.identifier()
  const start = s.text.indexOf('\n', s.at) + 1
  if (tag === undefined || start === 0) s.fail('expected a word after "<<"')
  const pattern = new RegExp(`^[ \\t]*${tag}[ \\t]*\\r?$`, 'm')
  const end = pattern.exec(s.text.slice(start))
  if (!end) s.fail(`the text that begins with <<${tag} has no end`)
  const stop = start + end.index
  s.at = start
  const parts = new TemplateReader(s, parse, () => s.at >= stop, { raw: true }).parts()
  s.at = stop + end[0].length
  return simplify(indented ? withoutIndent(parts) : parts)
}

function simplify(parts: readonly TemplatePart[]): Expression {
  const [first] = parts
  if (!first) return { kind: 'literal', value: '' }
  if (parts.length === 1 && first.kind === 'text') return { kind: 'literal', value: first.text }
  // Alone, an interpolation keeps its type.
  if (parts.length === 1 && first.kind === 'value') return first.value
  return { kind: 'template', parts }
}

function withoutIndent(parts: readonly TemplatePart[]): TemplatePart[] {
  const lines = parts
    .map((part, index) => (part.kind === 'text' ? `${index === 0 ? '\n' : ''}${part.text}` : 'x'))
    .join('')
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
  const least = Math.min(...lines.map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0))
  if (!Number.isFinite(least) || least === 0) return [...parts]
  const afterNewline = new RegExp(`\\n[ \\t]{1,${least}}`, 'g')
  const cut = (part: TemplatePart): TemplatePart => {
    switch (part.kind) {
      case 'text':
        return { kind: 'text', text: part.text.replace(afterNewline, '\n') }
      case 'value':
        return part
      case 'if':
        return { ...part, yes: part.yes.map(cut), no: part.no.map(cut) }
      case 'for':
        return { ...part, body: part.body.map(cut) }
    }
  }
  const [first, ...rest] = parts.map(cut)
  if (first?.kind !== 'text') return first ? [first, ...rest] : []
  return [{ kind: 'text', text: first.text.replace(new RegExp(`^[ \\t]{1,${least}}`), '') }, ...rest]
}

/** Reads until `stop`, or until a directive that ends what is around it. */
class TemplateReader {
  readonly #s: Scanner
  readonly #parse: Parse
  readonly #stop: () => boolean
  readonly #raw: boolean
  #trimNext = false

  constructor(s: Scanner, parse: Parse, stop: () => boolean, o: { raw?: boolean } = {}) {
    this.#s = s
    this.#parse = parse
    this.#stop = stop
    this.#raw = o.raw ?? false
  }

  parts(): TemplatePart[] {
    const { parts, end } = this.#until([])
    if (end !== undefined) this.#s.fail(`%{ ${end} } without a beginning`)
    return parts
  }

  #until(ends: readonly string[]): { parts: TemplatePart[]; end: string | undefined } {
    const s: Scanner = this.#s
    const parts: TemplatePart[] = []
    let text = ''
    const flush = (trim: boolean) => {
      const kept = trim ? text.replace(/[ \t]*$/, '') : text
      if (kept !== '') parts.push({ kind: 'text', text: kept })
      text = ''
    }
    for (;;) {
      if (this.#stop() || s.done) {
        flush(false)
        return { parts, end: undefined }
      }
      if (s.text.startsWith('$${', s.at) || s.text.startsWith('%%{', s.at)) {
        text += s.text.slice(s.at + 1, s.at + 3)
        s.at += 3
      } else if (s.text.startsWith('${', s.at)) {
        s.at += 2
        flush(this.#strip())
        parts.push({ kind: 'value', value: s.loosely(() => this.#parse(s)) })
        this.#close()
      } else if (s.text.startsWith('%{', s.at)) {
        const begin = s.at
        s.at += 2
        flush(this.#strip())
        const word = s.identifier() ?? ''
        if (ends.includes(word)) return { parts, end: word }
        if (word !== 'if' && word !== 'for') {
          s.fail(
            ends.length === 0 ? `%{ ${word} } without a beginning` : `expected %{ ${ends.join(' or ')} }`,
            begin,
          )
        }
        parts.push(word === 'if' ? this.#if() : this.#for())
      } else text += this.#character()
    }
  }

  #character(): string {
    const s: Scanner = this.#s
    const ch = s.text[s.at++] ?? ''
    if (this.#trimNext) {
      // Up to the end of the line: as HCL, which reads texts line by line.
      if (ch === '\n') this.#trimNext = false
      if (/\s/.test(ch)) return ''
      this.#trimNext = false
    }
    if (this.#raw) return ch
    if (ch === '\n') s.fail('a string without an end', s.at - 1)
    if (ch !== '\\') return ch
    const next = s.text[s.at++] ?? ''
    if (Object.hasOwn(escapes, next)) return escapes[next] ?? ''
    const digits = next === 'u' ? 4 : next === 'U' ? 8 : 0
    const hex = s.text.slice(s.at, s.at + digits)
    if (digits === 0 || !new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(hex))
      s.fail(`unknown escape \\${next}`, s.at - 2)
    s.at += digits
    return String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff))
  }

  #strip(): boolean {
    if (this.#s.text[this.#s.at] !== '~') return false
    this.#s.at++
    return true
  }

  #close(): void {
    const s: Scanner = this.#s
    s.loosely(() => s.space())
    this.#trimNext = this.#strip()
    if (s.text[s.at] !== '}') s.fail('expected "}"')
    s.at++
  }

  #if(): TemplatePart {
    const s: Scanner = this.#s
    const test = s.loosely(() => this.#parse(s))
    this.#close()
    const yes = this.#until(['else', 'endif'])
    this.#close()
    if (yes.end === 'endif') return { kind: 'if', test, yes: yes.parts, no: [] }
    if (yes.end === undefined) s.fail('%{ if } without %{ endif }')
    const no = this.#until(['endif'])
    if (no.end === undefined) s.fail('%{ if } without %{ endif }')
    this.#close()
    return { kind: 'if', test, yes: yes.parts, no: no.parts }
  }

  #for(): TemplatePart {
    const s: Scanner = this.#s
    const first = s.identifier()
    const second = s.take(',') ? s.identifier() : undefined
    if (first === undefined || !s.keyword('in')) s.fail('expected %{ for NAME in … }')
    const of = s.loosely(() => this.#parse(s))
    this.#close()
    const body = this.#until(['endfor'])
    if (body.end === undefined) s.fail('%{ for } without %{ endfor }')
    this.#close()
    const names =
      second === undefined ? { keyName: undefined, valueName: first } : { keyName: first, valueName: second }
    return { kind: 'for', ...names, of, body: body.parts }
  }
}
