import { command } from '../command.ts'
import { bringUp } from '../compose/bring-up.ts'
import { convergeFlags } from '../compose/up-flags.ts'

const {
  build,
  'force-recreate': forceRecreate,
  'no-build': noBuild,
  'no-recreate': noRecreate,
  pull,
  'quiet-pull': quietPull,
  'remove-orphans': removeOrphans,
  scale,
  yes,
} = convergeFlags

export const composeCreate = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    build,
    'force-recreate': forceRecreate,
    'no-build': noBuild,
    'no-recreate': noRecreate,
    pull,
    'quiet-pull': quietPull,
    'remove-orphans': removeOrphans,
    scale,
    yes,
  },
  arguments: [0, Infinity],
  run: async (context, options, services) => {
    await bringUp(context, services, {
      ...options,
      'always-recreate-deps': false,
      'no-deps': false,
      'quiet-build': false,
      'renew-anon-volumes': false,
      start: false,
    })
  },
})
