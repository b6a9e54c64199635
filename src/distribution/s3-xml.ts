import { parseXml as parse, XmlElement } from '@rgrove/parse-xml'
import { EngineError } from '../lib/errors.ts'

/** An element of an answer. Namespaces are passed over: servers differ in them. */
export interface Xml {
  readonly name: string
  all(name: string): readonly Xml[]
  /** Of the first child of that name. */
  text(name: string): string | undefined
}

/** The root element. Throws kind `unavailable` for what is no XML. */
export function parseXml(text: string): Xml {
  let root: XmlElement | null
  try {
    // CompleteMultipartUpload: white space keeps the connection alive, before the declaration too.
    ;({ root } = parse(text.trimStart()))
  } catch (cause) {
    throw new EngineError('unavailable', 'the answer of the S3 server is no XML', { cause })
  }
  if (!root) throw new EngineError('unavailable', 'the answer of the S3 server is empty')
  return wrap(root)
}

function wrap(element: XmlElement): Xml {
  const all = (name: string) =>
    element.children.filter(
      (child): child is XmlElement => child instanceof XmlElement && child.name === name,
    )
  return {
    name: element.name,
    all: (name) => all(name).map(wrap),
    text: (name) => all(name)[0]?.text,
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** For an element's text. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => entities[char] ?? char)
}
