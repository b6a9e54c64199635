import { workerData } from 'node:worker_threads'
import { perform, type Job } from './jobs.ts'

perform(workerData as Job) // jobs.ts is the only one who starts this file
