import { networkScenarios } from '../system/scenarios/network.ts'

networkScenarios('docker')
