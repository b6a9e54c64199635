import { runScenarios } from '../system/scenarios/run.ts'

runScenarios('docker')
