/** Commands for volumes. */
import type { Entry } from './table.ts'

const prune = () => import('./commands/prune.ts')
const volumes = () => import('./commands/volumes.ts')
const volumeExtras = () => import('./commands/volume-extras.ts')
const inspect = () => import('./commands/inspect.ts')

export const volumeEntries: readonly Entry[] = [
  { names: ['volume create'], about: 'Create a volume', load: async () => (await volumes()).create },
  {
    names: ['volume inspect'],
    about: 'Display detailed information on one or more volumes',
    load: async () => (await inspect()).inspectVolume,
  },
  { names: ['volume ls', 'volume list'], about: 'List volumes', load: async () => (await volumes()).ls },
  {
    names: ['volume prune'],
    about: 'Remove unused local volumes',
    load: async () => (await prune()).pruneVolumes,
  },
  {
    names: ['volume clone'],
    about: 'Copy a volume to a new one',
    load: async () => (await volumeExtras()).clone,
  },
  {
    names: ['volume rename'],
    about: 'Rename a volume that no container uses',
    load: async () => (await volumeExtras()).rename,
  },
  {
    names: ['volume export'],
    about: "Export a volume's content as a tar archive",
    load: async () => (await volumeExtras()).exportVolume,
  },
  {
    names: ['volume import'],
    about: 'Make a volume of a tar archive',
    load: async () => (await volumeExtras()).importVolume,
  },
  {
    names: ['volume trash'],
    about: 'List pruned volumes that can be restored',
    load: async () => (await volumeExtras()).trash,
  },
  {
    names: ['volume restore'],
    about: 'Bring a pruned volume back',
    load: async () => (await volumeExtras()).restore,
  },
  {
    names: ['volume rm', 'volume remove'],
    about: 'Remove one or more volumes',
    load: async () => (await volumes()).rm,
  },
]
