import { workerData } from 'node:worker_threads'
import { copy, type PopulateOptions } from './populate.ts'

copy(workerData as PopulateOptions) // populate.ts is the only one who starts this file
