import type { RootDir } from '../../host/root-dir.ts'

/** The parts of a path with the links on its way and at its end followed within the tree. What is not there is taken as it is. */
export function followLinks(root: RootDir, path: string): string[] {
  const todo = path.split('/')
  const done: string[] = []
  for (let links = 0; todo.length > 0;) {
    const part = todo.shift() ?? ''
    if (part === '' || part === '.') continue
    if (part === '..') {
      done.pop()
      continue
    }
    done.push(part)
    if (root.tryLstat(done.join('/'))?.kind !== 'symlink' || ++links > 40) continue
    const target = root.readlink(done.join('/')).toString()
    if (target.startsWith('/')) done.length = 0
    else done.pop()
    todo.unshift(...target.split('/'))
  }
  return done
}
