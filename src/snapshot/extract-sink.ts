import type { RootDir } from '../host/root-dir.ts'
import { EngineError } from '../lib/errors.ts'
import { checkSymlink, partsOf, refused, whiteoutPrefix } from './entry-name.ts'
import { bytesOf, showName, type TarEntry } from './tar-header.ts'
import { TreeSink } from './tree-sink.ts'

/**
 * Unpacks an archive over an existing tree, as ADD and a build context do: directories merge, everything else is
 * replaced, the last entry of a name wins. Symlinks that are in the way are followed within the root.
 */
export class ExtractSink extends TreeSink {
  readonly #target: string
  readonly #chown: { uid: number; gid: number } | undefined
  readonly #anySymlinks: boolean
  readonly #whole: boolean
  readonly #copied: { readonly keepKinds: boolean } | undefined

  /**
   * `target`: bytes as characters, relative to the root. `anySymlinks`: also relative ones that climb above it, which
   * a person's source tree may well have. `whole`: the archive is the target, not something added to it: its entry for
   * the root sets the target's own attributes, and no name has a meaning. `copied`: by `docker cp`: no name and no symlink has a
   * meaning, and names may begin with a slash; `keepKinds`: no directory takes the place of anything else, nor the reverse.
   */
  constructor(
    dir: RootDir,
    o: {
      target: string
      chown?: { uid: number; gid: number }
      anySymlinks?: boolean
      whole?: boolean
      copied?: { readonly keepKinds: boolean }
    },
  ) {
    super(dir)
    this.#copied = o.copied
    this.#anySymlinks = o.anySymlinks ?? o.copied !== undefined
    this.#whole = o.whole ?? false
    this.#target = o.target.replace(/^\/+|\/+$/g, '')
    this.#chown = o.chown
    for (const made of dir.mkdirAll(bytesOf(this.#target), 0o755)) if (o.chown) dir.chown(made, o.chown)
  }

  protected override make(given: TarEntry): void {
    const entry = this.#chown ? { ...given, ...this.#chown } : given
    const parts = this.#partsOf(entry.name)
    if (entry.type === 'char' || entry.type === 'block')
      throw refused(entry.name, `it is a device node (${entry.major}:${entry.minor})`)
    if (!this.#whole && !this.#copied && parts.some((part) => part.startsWith(whiteoutPrefix)))
      throw refused(entry.name, 'names that begin with ".wh." mark deletions in a layer')
    // The target directory itself keeps what it has: people ADD archives to "/" and "/usr/local".
    if (parts.length === 0) {
      if (entry.type !== 'directory') throw refused(entry.name, 'it would replace the root')
      if (this.#whole) this.writer.directory(this.#path([]) || '.', entry, { exists: true })
      return
    }
    const path = this.#path(parts)
    if (parts.length > 1) this.dir.mkdirAll(bytesOf(this.#path(parts.slice(0, -1))), 0o755)
    const before = this.dir.tryLstat(bytesOf(path))
    const merge = before?.kind === 'directory' && entry.type === 'directory'
    if (before && !merge) this.#checkKinds(entry, path, before.kind === 'directory')
    if (entry.type === 'hardlink') return this.#link(entry, path)
    if (before && !merge) this.dir.removeAll(bytesOf(path))
    switch (entry.type) {
      case 'file':
        return this.writer.beginFile(path, entry)
      case 'directory':
        return this.writer.directory(path, entry, { exists: merge })
      case 'symlink':
        if (!this.#anySymlinks) checkSymlink(entry, parts)
        return this.writer.symlink(path, entry)
      case 'fifo':
        return this.writer.fifo(path, entry)
    }
  }

  #link(entry: TarEntry, path: string): void {
    const target = this.#path(this.#partsOf(entry.linkName, entry.name))
    const stat = this.dir.tryLstat(bytesOf(target))
    if (stat?.kind !== 'file' && stat?.kind !== 'symlink')
      throw refused(entry.name, `it is a hard link to ${showName(entry.linkName)}, which is not a file`)
    if (target === path) return
    this.dir.removeAll(bytesOf(path))
    this.dir.link(bytesOf(target), bytesOf(path))
  }

  /** Docker's texts. */
  #checkKinds(entry: TarEntry, path: string, isDirectory: boolean): void {
    if (!this.#copied?.keepKinds || isDirectory === (entry.type === 'directory')) return
    const [there, comes] = isDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory']
    throw new EngineError(
      'invalid',
      `cannot overwrite ${there} ${showName(`/${path}`)} with ${comes} ${showName(`/${this.#target}`)}`,
    )
  }

  #partsOf(name: string, entry: string = name): string[] {
    if (!this.#copied) return partsOf(name, entry)
    return partsOf(name.replace(/^\/+/, '') || '.', entry)
  }

  #path(parts: readonly string[]): string {
    return [...(this.#target === '' ? [] : [this.#target]), ...parts].join('/')
  }
}
