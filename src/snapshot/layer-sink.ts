import { checkSymlink, opaqueName, partsOf, refused, whiteoutPrefix } from './entry-name.ts'
import { bytesOf, showName, type TarEntry } from './tar-header.ts'
import { TreeSink } from './tree-sink.ts'

/**
 * The nodes of a fresh /dev, which system images made by debootstrap and the like carry. They are left out: a container
 * has a /dev of its own with the same nodes above them.
 */
const standardNodes: ReadonlyMap<string, string> = new Map([
  ['dev/null', '1:3'],
  ['dev/zero', '1:5'],
  ['dev/full', '1:7'],
  ['dev/random', '1:8'],
  ['dev/urandom', '1:9'],
  ['dev/tty', '5:0'],
  ['dev/console', '5:1'],
  ['dev/ptmx', '5:2'],
])

/**
 * Unpacks a layer archive into an empty directory in the form that overlayfs wants: `.wh.x` becomes a character
 * device 0:0 named `x`, `.wh..wh..opq` the attribute trusted.overlay.opaque. The root must be opened with
 * `symlinks: false`: a layer's paths never lead through its own symlinks, so an entry that tries is hostile.
 */
export class LayerSink extends TreeSink {
  /** What this archive has made. `implicit`: a directory that entries below it called for. */
  readonly #seen = new Map<string, 'directory' | 'implicit' | 'whiteout' | 'other'>([['', 'directory']])
  /** The archive deletes everything below it, which an overlay cannot express for its own root. */
  opaqueRoot = false

  protected override make(entry: TarEntry): void {
    const parts = partsOf(entry.name)
    const path = parts.join('/')
    const base = parts.at(-1) ?? ''
    const parent = parts.slice(0, -1)
    if (parent.some((part) => part.startsWith(whiteoutPrefix)))
      throw refused(entry.name, 'its path leads through a whiteout')
    if (entry.type === 'char' && standardNodes.get(path) === `${entry.major}:${entry.minor}`) return
    if (entry.type === 'char' || entry.type === 'block')
      throw refused(
        entry.name,
        `it is a device node (${entry.major}:${entry.minor}), which an image may not carry`,
      )
    if (path === '' && entry.type !== 'directory') throw refused(entry.name, 'it would replace the root')
    this.#ensureDirectory(parent, entry.name)
    if (base.startsWith(whiteoutPrefix)) return this.#whiteout(entry, parent.join('/'), base)

    const before = this.#seen.get(path)
    const directory = entry.type === 'directory'
    const wasDirectory = before === 'directory' || before === 'implicit'
    if (before !== undefined && wasDirectory !== directory && before !== 'whiteout')
      throw refused(entry.name, 'the archive has an entry of this name already')
    // Docker: of two entries with one name the later counts, as in any tar that was appended to.
    if (before === 'other') this.writer.replace(path)
    if (before === 'whiteout') this.dir.unlink(bytesOf(path))
    switch (entry.type) {
      case 'file':
        this.writer.beginFile(path, entry)
        break
      case 'directory':
        this.writer.directory(path, entry, { exists: wasDirectory })
        if (before === 'whiteout') this.#setOpaque(path)
        break
      case 'symlink':
        checkSymlink(entry, parts)
        this.writer.symlink(path, entry)
        break
      case 'hardlink':
        this.#link(entry, path)
        break
      case 'fifo':
        this.writer.fifo(path, entry)
    }
    this.#seen.set(path, directory ? 'directory' : 'other')
  }

  #link(entry: TarEntry, path: string): void {
    const target = partsOf(entry.linkName, entry.name).join('/')
    if (this.#seen.get(target) !== 'other')
      throw refused(
        entry.name,
        `it is a hard link to ${showName(entry.linkName)}, which is no earlier file of the archive`,
      )
    this.dir.link(bytesOf(target), bytesOf(path))
  }

  #whiteout(entry: TarEntry, parent: string, base: string): void {
    if ((entry.type !== 'file' && entry.type !== 'hardlink') || entry.size > 0)
      throw refused(entry.name, 'a whiteout must be an empty file')
    const mark = parent === '' ? base : `${parent}/${base}`
    if (this.#seen.has(mark)) throw refused(entry.name, 'the archive has an entry of this name already')
    this.#seen.set(mark, 'other')
    if (base === opaqueName) {
      if (parent === '') this.opaqueRoot = true
      else this.#setOpaque(parent)
      return
    }
    const name = base.slice(whiteoutPrefix.length)
    if (name === '' || name === '.' || name === '..' || name.startsWith(whiteoutPrefix))
      throw refused(entry.name, 'it is not a valid whiteout')
    const path = parent === '' ? name : `${parent}/${name}`
    const before = this.#seen.get(path)
    // A whiteout speaks of the layers below only: beside an entry of its own layer it hides what that would merge with.
    if (before === 'directory' || before === 'implicit') this.#setOpaque(path)
    if (before !== undefined) return
    this.dir.mknod(bytesOf(path), { kind: 'char', mode: 0 })
    this.#seen.set(path, 'whiteout')
  }

  #ensureDirectory(parts: readonly string[], entry: string): void {
    const path = parts.join('/')
    const before = this.#seen.get(path)
    if (before === 'directory' || before === 'implicit') return
    if (before === 'other')
      throw refused(
        entry,
        this.dir.lstat(bytesOf(path)).kind === 'symlink'
          ? `its path leads through the symlink ${showName(path)}`
          : `its path leads through ${showName(path)}, which is not a directory`,
      )
    this.#ensureDirectory(parts.slice(0, -1), entry)
    if (before === 'whiteout') this.dir.unlink(bytesOf(path))
    this.dir.mkdir(bytesOf(path), 0o755)
    if (before === 'whiteout') this.#setOpaque(path)
    this.#seen.set(path, 'implicit')
  }

  #setOpaque(path: string): void {
    this.dir.setXattr(bytesOf(path), 'trusted.overlay.opaque', Buffer.from('y'))
  }
}
