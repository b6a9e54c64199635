/** What `src` exports and nobody asks for: it is either dead, or needs no `export`. Types go with what they describe. */
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

export interface DeadExport {
  readonly file: string
  readonly name: string
}

const declaration = /^export (?:async )?(?:abstract )?(?:function\*?|const|let|class) ([A-Za-z_$][\w$]*)/gm

/** Functions, constants and classes that no other file names, an `index.ts` that hands them on aside. */
export function deadExports(files: ReadonlyMap<string, string>): DeadExport[] {
  const users = new Map<string, Set<string>>()
  for (const [file, text] of files) {
    if (basename(file) === 'index.ts') continue
    for (const [word] of withoutComments(text).matchAll(/[A-Za-z_$][\w$]*/g)) {
      const known = users.get(word)
      if (known) known.add(file)
      else users.set(word, new Set([file]))
    }
  }
  return [...files].flatMap(([file, text]) =>
    [...text.matchAll(declaration)].flatMap(([, name = '']) => {
      const others = [...(users.get(name) ?? [])].filter((user) => user !== file)
      return others.length === 0 ? [{ file, name }] : []
    }),
  )
}

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')

/** Sources and tests of a checkout; an index may also hand on under another name. */
export function sourcesOf(root: string): Map<string, string> {
  const paths = globSync(['{src,tests,tools}/**/*.ts'], { cwd: root })
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}
