/** Commands for networks. */
import type { Entry } from './table.ts'

const networks = () => import('./commands/networks.ts')
const networkChanges = () => import('./commands/network-changes.ts')
const inspect = () => import('./commands/inspect.ts')

export const networkEntries: readonly Entry[] = [
  {
    names: ['network inspect'],
    about: 'Display detailed information on one or more networks',
    load: async () => (await inspect()).inspectNetwork,
  },
  { names: ['network ls', 'network list'], about: 'List networks', load: async () => (await networks()).ls },
  { names: ['network create'], about: 'Create a network', load: async () => (await networkChanges()).create },
  {
    names: ['network connect'],
    about: 'Connect a container to a network',
    load: async () => (await networkChanges()).connect,
  },
  {
    names: ['network disconnect'],
    about: 'Disconnect a container from a network',
    load: async () => (await networkChanges()).disconnect,
  },
  {
    names: ['network rm', 'network remove'],
    about: 'Remove one or more networks',
    load: async () => (await networkChanges()).rm,
  },
  {
    names: ['network prune'],
    about: 'Remove all unused networks',
    load: async () => (await networkChanges()).prune,
  },
]
