import { streamScenarios } from '../system/scenarios/streams.ts'

streamScenarios('docker')
