import { clientCorpus } from './client-corpus/corpus.ts'
import { aboutContainers, scriptNames } from './client-corpus/scripts.ts'

clientCorpus(
  'gantry',
  scriptNames().filter((name) => !aboutContainers.includes(name)),
)
