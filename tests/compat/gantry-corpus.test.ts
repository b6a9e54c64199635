import { clientCorpus } from './client-corpus/corpus.ts'
import { aboutContainers } from './client-corpus/scripts.ts'

clientCorpus('gantry', aboutContainers)
