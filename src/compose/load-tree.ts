/** Compose files to one tree: each over those before it, in long forms, checked against the schema, paths resolved. */
import { applyExtends } from './extends.ts'
import { clearAll } from './clear.ts'
import { unset } from './env-files.ts'
import { canonical } from './forms/canonical.ts'
import { withDefaults } from './forms/defaults.ts'
import { applyInclude } from './include.ts'
import { interpolate } from './interpolate.ts'
import { merge } from './merge.ts'
import { ComposeError, mapping, nowhere, put, type Mapping, type Node } from './node.ts'
import { resolvePaths } from './paths.ts'
import { checkResources } from './resources.ts'
import { resolveEnvironment } from './resolve-environment.ts'
import { project as schema } from './schema/project-schema.ts'
import { validate } from './schema/validate.ts'
import { readSource, shownFile, type Scope, type SourceFile } from './scope.ts'
import { unique } from './unique.ts'
import { readYaml, type YamlDocument } from './yaml/read-yaml.ts'

export function loadTree(files: readonly SourceFile[], scope: Scope): Node {
  let tree: Node = mapping([])
  for (const file of files)
    for (const document of readYaml(readSource(file), shownFile(file.path)))
      tree = overlaid(tree, document, file, scope)
  tree = withDefaults(tree)
  checkResources(tree)
  if (scope.options.pathResolution) tree = resolvePaths(tree, scope.folder)
  return resolveEnvironment(tree, scope)
}

/** One document over what the files before it say. */
function overlaid(before: Node, document: YamlDocument, file: SourceFile, scope: Scope): Node {
  const own = applyExtends(interpolated(document, scope), {
    path: file.path,
    folder: scope.folder,
    cleared: document.cleared,
    pathResolution: scope.options.pathResolution,
    remotes: scope.remotes,
    load: (path, from) => loadBase({ path, from }, scope),
  })
  const whole = applyInclude(own, file.path, { scope, load: loadTree })
  const merged = unique(merge(clearAll(before, document.cleared), whole))
  validate(merged, schema)
  return longForms(withoutVersion(merged, scope), scope)
}

function interpolated({ root }: YamlDocument, scope: Scope): Mapping {
  if (root.kind !== 'mapping') throw new ComposeError(root.at, 'top-level object must be a mapping')
  if (!scope.options.interpolation) return root
  const changed = interpolate(root, {
    lookup: (name) => scope.environment.get(name),
    placeOf: (name) => scope.sources.get(name) ?? nowhere,
    missing: (name) => scope.options.warn(unset(name)),
  })
  return changed as Mapping // a mapping stays one
}

/** What `extends.file` names: the services are looked at one by one later, and checked as part of what extends them. */
function loadBase(file: SourceFile, scope: Scope): { root: Node; cleared: YamlDocument['cleared'] } {
  const documents = readYaml(readSource(file), shownFile(file.path))
  const roots = documents.map((document) => interpolated(document, scope))
  const root = roots.reduce<Node>((all, each) => unique(merge(all, each)), mapping([]))
  return { root: longForms(root, scope), cleared: documents.flatMap((document) => document.cleared) }
}

function withoutVersion(node: Node, scope: Scope): Node {
  const version = node.kind === 'mapping' ? node.entries.get('version') : undefined
  if (node.kind !== 'mapping' || !version) return node
  const { file } = version.at
  scope.options.warn(
    `${file}: the attribute \`version\` is obsolete, it will be ignored, please remove it to avoid potential confusion`,
  )
  return put(node, 'version', undefined)
}

/** Ranges of ports become several entries, which may repeat what is there. */
function longForms(node: Node, { options }: Scope): Node {
  return unique(canonical(node, { lenient: !options.interpolation, warn: options.warn }))
}
