import { volumeScenarios } from '../system/scenarios/volumes.ts'

volumeScenarios('docker')
