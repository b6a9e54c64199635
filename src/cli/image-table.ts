/** Commands for images that are here. */
import type { Entry } from './table.ts'

const imageStore = () => import('./commands/image-store.ts')
const archives = () => import('./commands/archives.ts')
const prune = () => import('./commands/prune.ts')
const inspect = () => import('./commands/inspect.ts')

export const imageEntries: readonly Entry[] = [
  {
    names: ['image ls', 'image list', 'images'],
    about: 'List images',
    load: async () => (await import('./commands/images.ts')).images,
  },
  {
    names: ['image tag', 'tag'],
    about: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: async () => (await imageStore()).tag,
  },
  {
    names: ['image rm', 'image remove', 'rmi'],
    about: 'Remove one or more images',
    load: async () => (await imageStore()).rmi,
  },
  {
    names: ['image history', 'history'],
    about: 'Show the history of an image',
    load: async () => (await imageStore()).history,
  },
  {
    names: ['image explain'],
    about: 'Show what each layer of an image adds, changes, deletes and wastes',
    load: async () => (await import('./commands/image-explain.ts')).explain,
  },
  {
    names: ['image diff'],
    about: 'Show the differences of two images: files and configuration',
    load: async () => (await import('./commands/image-diff.ts')).diff,
  },
  {
    names: ['image ls-files'],
    about: 'List the files of an image',
    load: async () => (await import('./commands/image-files.ts')).lsFiles,
  },
  {
    names: ['image cat'],
    about: 'Print a file of an image',
    load: async () => (await import('./commands/image-files.ts')).cat,
  },
  {
    names: ['image inspect'],
    about: 'Display detailed information on one or more images',
    load: async () => (await inspect()).inspectImage,
  },
  {
    names: ['image load', 'load'],
    about: 'Load an image from a tar archive or STDIN',
    load: async () => (await archives()).load,
  },
  {
    names: ['image save', 'save'],
    about: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: async () => (await archives()).save,
  },
  {
    names: ['image import', 'import'],
    about: 'Import the contents from a tarball to create a filesystem image',
    load: async () => (await archives()).importImage,
  },
  { names: ['image prune'], about: 'Remove unused images', load: async () => (await prune()).pruneImages },
]
