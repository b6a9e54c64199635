import { clientCorpus } from './client-corpus/corpus.ts'

clientCorpus('gantry')
