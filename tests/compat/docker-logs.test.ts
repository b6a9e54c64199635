import { logScenarios } from '../system/scenarios/logs.ts'

logScenarios('docker')
