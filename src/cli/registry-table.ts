/** Commands for registries. */
import type { Entry } from './table.ts'

const transfer = () => import('./commands/transfer.ts')
const manifest = () => import('./commands/manifest.ts')

export const registryEntries: readonly Entry[] = [
  {
    names: ['image pull', 'pull'],
    about: 'Download an image from a registry',
    load: async () => (await transfer()).pull,
  },
  {
    names: ['image push', 'push'],
    about: 'Upload an image to a registry',
    load: async () => (await transfer()).push,
  },
  {
    names: ['registry serve'],
    about: 'Serve a registry of images, in the foreground',
    load: async () => (await import('./commands/registry.ts')).serve,
  },
  {
    names: ['login'],
    about: 'Authenticate to a registry',
    load: async () => (await import('./commands/login.ts')).login,
  },
  {
    names: ['logout'],
    about: 'Log out from a registry',
    load: async () => (await import('./commands/login.ts')).logout,
  },
  {
    names: ['search'],
    about: 'Search Docker Hub for images',
    load: async () => (await import('./commands/search.ts')).search,
  },
  {
    names: ['manifest annotate'],
    about: 'Add additional information to a local image manifest',
    load: async () => (await manifest()).annotate,
  },
  {
    names: ['manifest create'],
    about: 'Create a local manifest list for annotating and pushing to a registry',
    load: async () => (await manifest()).create,
  },
  {
    names: ['manifest inspect'],
    about: 'Display an image manifest, or manifest list',
    load: async () => (await manifest()).inspect,
  },
  {
    names: ['manifest push'],
    about: 'Push a manifest list to a repository',
    load: async () => (await manifest()).push,
  },
  {
    names: ['manifest rm'],
    about: 'Delete one or more manifest lists from local storage',
    load: async () => (await manifest()).rm,
  },
  {
    names: ['buildx imagetools inspect'],
    about: 'Show details of an image in the registry',
    load: async () => (await import('./commands/imagetools.ts')).inspect,
  },
  {
    names: ['buildx imagetools create'],
    about: 'Create a new image based on source images',
    load: async () => (await import('./commands/imagetools.ts')).create,
  },
]
