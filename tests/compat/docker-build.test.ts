import { buildScenarios } from '../system/scenarios/build.ts'

buildScenarios('docker')
